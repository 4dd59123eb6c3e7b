// Where a PVH loader enters: 32-bit protected mode without paging, interrupts off, no stack. Loads segments, calls serve().

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18 // sizes of name and value, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long _start

    .text
    .code32
    .globl _start
_start:
    mov $stack_top, %esp
    lgdt gdt_pointer
    ljmp $8, $1f
1:  mov $16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    call serve

    .globl interrupt_entry
interrupt_entry:
    pusha
    call acknowledge
    popa
    iret

    .section .rodata
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff // code, flat
    .quad 0x00cf93000000ffff // data, flat
gdt_pointer:
    .word 23
    .long gdt

    .bss
    .balign 16
    .space 16384
stack_top:
