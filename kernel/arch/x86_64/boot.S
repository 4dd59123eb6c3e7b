// The first instructions: PVH entry in 32-bit mode without paging, then long mode in the upper half.
#include "offsets.h"

#define PHYSICAL(symbol) (symbol - IMAGE_BASE)
#define XEN_ELFNOTE_PHYS32_ENTRY 18

#define PAGE_PRESENT_WRITE 3
#define PAGE_LARGE 0x80

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long PHYSICAL(boot_start)

// The tables that the machine starts with. The kernel's final ones are made in start.c; these stay for further CPUs.
    .data
    .balign 4096
    .globl boot_pml4
boot_pml4:
    .quad PHYSICAL(boot_pdpt) + PAGE_PRESENT_WRITE // identity
    .fill 255, 8, 0
    .quad PHYSICAL(boot_pdpt) + PAGE_PRESENT_WRITE // direct map
    .fill 254, 8, 0
    .quad PHYSICAL(boot_high_pdpt) + PAGE_PRESENT_WRITE
boot_pdpt:
    .quad PHYSICAL(boot_pd) + PAGE_PRESENT_WRITE
    .fill 511, 8, 0
boot_high_pdpt:
    .fill 510, 8, 0
    .quad PHYSICAL(boot_pd) + PAGE_PRESENT_WRITE
    .quad 0
    .globl boot_pd
boot_pd: // the first GiB
    .set page, 0
    .rept 512
    .quad page + PAGE_LARGE + PAGE_PRESENT_WRITE
    .set page, page + 0x200000
    .endr

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff // 64-bit code
    .quad 0x00cf93000000ffff // data
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long PHYSICAL(boot_gdt)

    .text
    .code32
    .globl boot_start
boot_start:
    cld
    rdtsc
    movl %eax, %esi
    movl %edx, %edi
    movl $PHYSICAL(boot_pml4), %eax
    movl %eax, %cr3
    movl $0x620, %eax // PAE; and FXSAVE, SIMD faults, so that no later change makes emulators translate code again
    movl %eax, %cr4
    movl $0xc0000080, %ecx // EFER: SCE, LME, NXE
    xorl %edx, %edx
    movl $0x901, %eax
    wrmsr
    movl $0x80010033, %eax // PG, WP, NE, ET, MP, PE
    movl %eax, %cr0
    lgdt PHYSICAL(boot_gdt_pointer)
    ljmp $SELECTOR_KERNEL_CODE, $PHYSICAL(boot_long)

    .code64
boot_long:
    movabsq $boot_high, %rax
    jmp *%rax
boot_high:
    movl $SELECTOR_KERNEL_DATA, %eax
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    leaq arch_kernel_stacks + 0x4000(%rip), %rsp // KERNEL_STACK_SIZE: the boot CPU's
    xorl %ebp, %ebp
    shlq $32, %rdi
    orq %rdi, %rsi // the time-stamp counter
    movl %ebx, %edi // struct hvm_start_info
    call arch_start

// --- Further CPUs: copied below 1 MiB, started in real mode there ---

#define AT(symbol) (TRAMPOLINE_AT + symbol - trampoline_start)

    .globl trampoline_start
    .globl trampoline_end
    .code16
trampoline_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AT(trampoline_gdt_pointer)
    movl $1, %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_KERNEL_CODE, $AT(trampoline_32)
    .code32
trampoline_32:
    movl $SELECTOR_KERNEL_DATA, %eax
    movl %eax, %ds
    movl $PHYSICAL(boot_pml4), %eax
    movl %eax, %cr3
    movl $0x620, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    xorl %edx, %edx
    movl $0x901, %eax
    wrmsr
    movl $0x80010033, %eax
    movl %eax, %cr0
    lgdt PHYSICAL(boot_gdt_pointer)
    ljmp $SELECTOR_KERNEL_CODE, $PHYSICAL(boot_cpu_long)
    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff // 32-bit code
    .quad 0x00cf93000000ffff
trampoline_gdt_end:
trampoline_gdt_pointer:
    .word trampoline_gdt_end - trampoline_gdt - 1
    .long AT(trampoline_gdt)
trampoline_end:

    .code64
boot_cpu_long:
    movabsq $boot_cpu_high, %rax
    jmp *%rax
boot_cpu_high:
    movl $SELECTOR_KERNEL_DATA, %eax
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl $1, %edi // its index: in the order of arrival
    lock xaddl %edi, smp_next_index(%rip)
    cmpl smp_index_limit(%rip), %edi
    jae 1f
    movl %edi, %eax
    incl %eax
    shll $14, %eax // times KERNEL_STACK_SIZE
    leaq arch_kernel_stacks(%rip), %rsp
    addq %rax, %rsp
    xorl %ebp, %ebp
    call arch_start_cpu
1:  cli
    hlt
    jmp 1b
