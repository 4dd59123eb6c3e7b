// What the portable kernel asks of a CPU architecture, and what it offers to it in turn.
//
// Rules: the kernel runs with interrupts off, on one stack per CPU, under the big kernel lock. A system call takes the
// lock, calls its function and returns to the thread, unless cpu->must_schedule says otherwise. Interrupts and faults save
// the interrupted registers in the current thread's `struct arch_thread`, take the lock and call one of the kernel_on_*
// functions, none of which returns: each ends in arch_resume() or arch_idle(), which release the lock, as does a system
// call that can't return. Components in kernel isolation run in the same privileged mode as the kernel, on stacks of their
// own, with interrupts on and without the lock.
#pragma once

#include <starina/types.h>

typedef uint64_t paddr_t; // physical address
typedef uint64_t vaddr_t; // virtual address, kernel's or a component's
// Virtual address that a component named: never dereferenced, only copied from and to.
typedef uint64_t uaddr_t;

struct account;
struct cpu;
struct thread;

#include <arch_types.h> // struct arch_thread, arch_cpu, arch_vmspace; the address map's constants

// --- What the boot protocol told, filled in by the architecture before kernel_main ---

struct memory_range {
    paddr_t base;
    uint64_t size;
};
enum { MEMORY_RANGES_MAX = 32 };

struct boot_info {
    // Usable, sorted, without the kernel's image and the boot protocol's data.
    struct memory_range ram[MEMORY_RANGES_MAX];
    size_t ram_count;
    const char *command_line; // NUL-terminated
    uint64_t entry_ticks;     // time-stamp counter at the kernel's first instructions
};
extern struct boot_info boot_info;

// Found in the ACPI tables by arch_init.
struct machine_info {
    uint32_t cpu_count;
    paddr_t ecam_base; // 0: none
    uint8_t ecam_first_bus, ecam_last_bus;
};
extern struct machine_info machine_info;

// The image's archive, placed by the linker script.
extern const uint8_t archive_start[], archive_end[];

// --- Portable kernel, called by the architecture ---

// Boot CPU: paging on, boot_info filled in, console works; lock not yet used.
[[noreturn]] void kernel_main(void);
[[noreturn]] void kernel_cpu_main(void); // each further CPU, once its arch_cpu is set up
// A vector from arch_vector_allocate; it calls arch_interrupt_end.
[[noreturn]] void kernel_on_interrupt(unsigned vector);
[[noreturn]] void kernel_on_timer(void);      // this CPU's arch_timer_set deadline passed
[[noreturn]] void kernel_on_reschedule(void); // another CPU sent arch_send_reschedule
// A component's fault; never the kernel's own (that panics in arch).
[[noreturn]] void kernel_on_fault(const struct arch_fault *fault);
void kernel_on_modes(struct thread *thread); // it leaves its CPU with other control words than the ABI's, or may do so
[[noreturn]] void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

// --- Start ---

// Boot CPU, after page_init: descriptor tables, ACPI, LAPIC, IOAPIC, FPU, protection bits.
void arch_init(void);
// Starts the others; each calls kernel_cpu_main. Returns at once: machine_info.cpu_count was counted before.
void arch_start_cpus(void);
// Ends the VM: isa-debug-exit where present, then reset; halts as the last resort.
[[noreturn]] void arch_shutdown(uint32_t code);
[[noreturn]] void arch_halt(void); // this CPU for good
void arch_halt_others(void);       // panic: stops the other CPUs
void arch_console_write(const char *text, size_t length);
// Walks frame pointers within [low, high), kernel-readable memory, at most 32 frames; fault-safe.
void arch_backtrace(void (*emit)(vaddr_t pc), vaddr_t frame, vaddr_t low, vaddr_t high);
void arch_backtrace_self(void (*emit)(vaddr_t pc));

// --- System calls ---

// One page to be mapped executable in every user space: stubs of ARCH_STUB_SIZE bytes, in the order of the numbers.
extern const uint8_t arch_user_stubs[];
vaddr_t arch_kernel_call(unsigned number); // what components in kernel isolation call

// The result of the call it is in, which then ends (in arch_types.h).
static inline void arch_set_result(struct arch_thread *thread, int64_t status, uint64_t value);

// --- CPUs and threads ---

struct cpu *arch_cpu(void);                          // the executing one (a GS load); the macro arch_this_cpu: for its fields
static inline struct thread *arch_cpu_current(void); // its thread (in arch_types.h)

// Prepares registers for a thread's first run: entry(argument0, argument1) on the stack that ends at stack_top. Those of
// the FPU have their area already.
void arch_thread_init(struct arch_thread *thread, bool is_user, vaddr_t entry, vaddr_t stack_top, uint64_t argument0,
                      uint64_t argument1);
status_t arch_thread_fpu_allocate(struct arch_thread *thread, struct account *account); // its FPU save area
void arch_thread_free(struct arch_thread *thread, struct account *account);
static inline vaddr_t arch_thread_pc(const struct arch_thread *thread); // where it was (in arch_types.h)
// It does not run and is in a system call: it was not interrupted (in arch_types.h).
static inline bool arch_thread_is_in_call(const struct arch_thread *thread);
// Its frame pointer (in arch_types.h).
static inline vaddr_t arch_thread_frame(const struct arch_thread *thread);

// A CPU takes a thread on, or leaves it: loads or saves its FPU registers.
void arch_thread_enter(struct arch_thread *thread);
void arch_thread_leave(struct arch_thread *thread);

// The same in one, where both are in a system call: by the calling convention their FPU registers are dead. `is_user`: the
// one that goes on is
void arch_thread_switch(struct arch_thread *from, struct arch_thread *to, bool is_user);

// A thread is left in a system call that it began with the initial control words, on whichever CPU.
void arch_thread_leave_in_call(struct arch_thread *thread);

// Continues the thread where it left off. The caller has set arch_cpu()->current; this releases the kernel lock
// (kernel_unlock) and leaves the kernel. The thread's address space is active already.
[[noreturn]] void arch_resume(struct arch_thread *thread);
// The same of one that is in a system call, which ends with OK. `is_user`: it is in user mode
[[noreturn]] void arch_end_call(struct arch_thread *thread, bool is_user);

// Waits for an interrupt without holding the lock, on the CPU's own stack. The interrupt's handler ends this wait by
// never returning to it.
[[noreturn]] void arch_idle(void);

void arch_send_reschedule(struct cpu *cpu);
static inline void arch_fill(void *destination, uint64_t word, size_t count); // with words (in arch_types.h)
static inline void arch_copy(void *destination, const void *source,
                             size_t count); // words that do not overlap (in arch_types.h)
static inline uint64_t arch_ticks(void);    // time-stamp counter (in arch_types.h)
// Copies 16 bytes, in a system call of the thread that is still on this CPU (in arch_types.h).
static inline void arch_copy_16_in_call(void *to, const void *from);
// In a lock's loop (in arch_types.h); TLB shootdowns are answered by arch_spin_poll.
static inline void arch_spin_pause(void);
void arch_spin_poll(void); // called in the kernel lock's wait loop, and at the end of idling: answers a TLB shootdown

// --- Address spaces ---

// An empty user space; kernel half shared.
status_t arch_vmspace_init(struct arch_vmspace *space, struct account *account);
// Frees its page tables; mapped pages are the caller's.
void arch_vmspace_destroy(struct arch_vmspace *space, struct account *account);
void arch_vmspace_activate(struct arch_vmspace *space); // on this CPU
extern struct arch_vmspace arch_kernel_space;           // where kernel-isolated components live

enum arch_map_flags : uint32_t {
    ARCH_MAP_WRITE = 1,
    ARCH_MAP_EXECUTE = 2,
    ARCH_MAP_USER = 4,
    ARCH_MAP_DEVICE = 8, // uncached
};

// Maps `count` physically contiguous pages. Page tables are charged to the account. On failure nothing is mapped.
// ERR_NO_MEMORY; ERR_EXISTS if something is mapped there.
status_t arch_map(struct arch_vmspace *space, vaddr_t address, paddr_t physical, size_t count, uint32_t flags,
                  struct account *account);

// Makes the page tables for a range of pages, or promises them where all that one maps is in the range. ERR_NO_MEMORY
status_t arch_map_prepare(struct arch_vmspace *space, vaddr_t address, size_t count, struct account *account);

// A page's entry in its page table, which is made if it is missing (where it is prepared: without fail), or that of the large
// page around it. It stays there until the range is unmapped finally. nullptr: no memory
uint64_t *arch_page_entry(struct arch_vmspace *space, vaddr_t address, struct account *account);

// Maps one page in place of what its entry maps: the same page, with fewer rights, or as part of a large page.
void arch_map_page(uint64_t *entry, vaddr_t address, paddr_t physical, uint32_t flags);

// Maps ARCH_LARGE_PAGE_SIZE bytes by one entry, both addresses being multiples of that, where it is possible: a page table
// for them is promised, so that the range that was prepared holds them all, and was not needed since.
bool arch_can_map_large(const struct arch_vmspace *space, vaddr_t address);
void arch_map_large(struct arch_vmspace *space, vaddr_t address, paddr_t physical, uint32_t flags);

// Unmaps the pages that are mapped in the range, and large pages of which a part is, and returns when no CPU can use them
// any more. It stays prepared for them.
void arch_unmap(struct arch_vmspace *space, vaddr_t address, size_t count);

// The same of a range of which nothing will be mapped again: gives back what arch_map and arch_map_prepare made for it alone.
void arch_unmap_finally(struct arch_vmspace *space, vaddr_t address, size_t count, struct account *account);

// Unmaps everything in the range of a privileged space, frees the page tables below it (the range is made of whole
// ones) and returns when no CPU can use them any more.
void arch_clear(struct arch_vmspace *space, vaddr_t base, vaddr_t end, struct account *account);

// Copies between kernel memory and a component's memory of the active address space. The range was checked to lie in
// the component's part; a page fault on the way ends the copy. Returns false on a fault.
[[nodiscard]] bool arch_copy_in(void *destination, uaddr_t source, size_t size);
[[nodiscard]] bool arch_copy_out(uaddr_t destination, const void *source, size_t size);

// Direct map of all RAM: the kernel's own view of a physical page (writable, never executable).
static inline void *physical_to_kernel(paddr_t physical);      // in arch_types.h
static inline paddr_t kernel_to_physical(const void *pointer); // direct-map pointers only (in arch_types.h)
// Does the range touch RAM? Holes below the last RAM of a GiB count as RAM.
bool arch_is_ram(paddr_t base, uint64_t size);
paddr_t arch_image_to_physical(const void *pointer); // pointers into the kernel's image (archive_start…)

// --- Interrupts ---

status_t arch_vector_allocate(unsigned *out_vector); // ERR_NO_MEMORY when all are taken
void arch_vector_free(unsigned vector);
enum { LINES_MAX = 256 };
// Masked at first. ERR_INVALID_ARGUMENT: no such line.
status_t arch_line_route(uint32_t line, unsigned vector, uint32_t interrupt_flags);
void arch_line_mask(uint32_t line, bool masked);
void arch_vector_message(unsigned vector, uint32_t *out_address, uint32_t *out_data); // MSI to the boot CPU
// The CPU may be interrupted by the same again: at once, by a line that is asserted and not masked.
void arch_interrupt_end(void);

// --- Time ---

nsec_t arch_clock_now(void);             // monotonic, ns since the first instruction, same on all CPUs
nsec_t arch_ticks_to_ns(uint64_t ticks); // a length of time
// Is the counter's frequency known? Until then each change of this CPU's next deadline is to be set, also to a later one.
bool arch_clock_is_exact(void);
// This CPU; one shot; DEADLINE_NEVER stops it; a past deadline fires at once.
void arch_timer_set(nsec_t deadline);
uint64_t arch_random_seed(void); // RDSEED/RDRAND where CPUID has it, mixed with the time-stamp counter
