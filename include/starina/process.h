// Structures of the system calls about processes, memory and the machine.
#pragma once

#include <starina/types.h>

enum { NAME_MAX_LENGTH = 31 }; // names are NUL-terminated within [32]

enum isolation_mode : uint32_t { ISOLATION_USER = 0, ISOLATION_KERNEL = 1 };

enum exit_reason : uint32_t {
    EXIT_RUNNING = 0,
    EXIT_NORMAL = 1, // process_exit(); `exit_code` is its argument
    EXIT_KILLED = 2,
    EXIT_FAULT = 3,     // bad address, division by zero, illegal instruction, …
    EXIT_NO_MEMORY = 4, // touched a sparse folio beyond its limit or the machine's memory
    EXIT_NO_PAGE = 5,   // touched a page that its pager did not supply
};

enum { PRIORITY_COUNT = 32, PRIORITY_DEFAULT = 16 }; // higher runs first

// Argument of process_create.
struct process_config {
    char name[32];
    folio_t image; // holds the ELF file (static PIE); needs RIGHT_READ | RIGHT_EXECUTE
    enum isolation_mode isolation;
    uint64_t image_offset; // of the ELF in the folio, page aligned
    uint64_t image_size;
    uint64_t memory_limit; // bytes, everything the process makes the kernel allocate included
    uint32_t handle_limit;
    uint32_t priority;
    uint32_t stack_size; // of the first thread
    resource_t resource; // the authority to make processes
};

// Result of process_info.
struct process_info {
    enum isolation_mode isolation;
    enum exit_reason exit_reason;
    int64_t exit_code;
    uint64_t cpu_ns;
    uint64_t memory_used;
    uint64_t memory_peak;
    uint64_t memory_limit;
    uint64_t messages_sent;
    uint64_t messages_received;
    uint64_t page_faults;
    uint64_t system_calls;
    uint64_t copied_bytes; // message bytes copied on its behalf
    uint32_t handles;
    uint32_t threads;
};

// Result of system_info.
struct system_info {
    nsec_t now_ns;
    nsec_t booted_ns;             // when init called system_booted; 0 before that
    uint64_t booted_instructions; // from the first one to that; 0 where they are not counted (kernel word `icount`)
    uint64_t memory_total;        // bytes of usable RAM
    uint64_t memory_free;
    uint64_t kernel_memory; // bytes that no process is charged for
    uint32_t cpu_count;
    uint32_t reserved;
    uint64_t interrupts;
    uint64_t context_switches;
    uint64_t ipis;
    uint64_t address_space_switches;
    uint64_t timer_interrupts; // of `interrupts`
    uint64_t lock_waits;       // how often a CPU found the kernel lock taken and waited
    uint64_t lock_spins;       // and looked at it again meanwhile
};

// Protection of a mapping. Writable and executable together is refused.
enum map_flags : uint32_t {
    MAP_READ = 1,
    MAP_WRITE = 2,
    MAP_EXECUTE = 4,
    MAP_MAY_FAULT = 8, // also a sparse folio or one with a pager: touching it may end the component
};

enum folio_flags : uint32_t {
    FOLIO_CONTIGUOUS = 1, // physically contiguous and below 4 GiB where possible, for DMA
    FOLIO_SPARSE = 2,     // charged as its pages are touched, not now: it may be larger than memory
};

enum : nsec_t { PAGER_PATIENCE_MAX = 60 * NSEC_PER_SEC };

enum interrupt_flags : uint32_t {
    INTERRUPT_EDGE = 0,
    INTERRUPT_LEVEL = 1,
    INTERRUPT_ACTIVE_LOW = 2,
};

// What the kernel hands to init, in the folio of INIT_HANDLE_BOOT_INFO.
struct boot_info_page {
    uint64_t archive_size;
    uint64_t ecam_base; // PCI express configuration space of segment 0; 0: none
    uint32_t ecam_first_bus;
    uint32_t ecam_last_bus;
    char command_line[2048];
};

// Handles that init finds in its table at its start. Every other component finds its bootstrap channel in the first.
enum : handle_t {
    HANDLE_BOOTSTRAP = 1 | 1 << 16,
    INIT_HANDLE_RESOURCE = 1 | 1 << 16,
    INIT_HANDLE_ARCHIVE = 2 | 1 << 16,
    INIT_HANDLE_BOOT_INFO = 3 | 1 << 16,
};
