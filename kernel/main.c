// The kernel's start: memory, CPUs, and the first component, init, from the image's archive.
#include "cpu.h"
#include "folio.h"
#include "interrupt.h"
#include "lock.h"
#include "log.h"
#include "memory.h"
#include "page.h"
#include "process.h"
#include "random.h"
#include "scheduler.h"
#include "system.h"
#include "trace.h"

#include <starina/archive.h>

enum : uint64_t { INIT_MEMORY_LIMIT = 4 << 20 };
enum : uint32_t { INIT_HANDLE_LIMIT = 1024, INIT_STACK_SIZE = 64 * 1024, INIT_PRIORITY = PRIORITY_DEFAULT };

static struct object resource = {.type = OBJECT_RESOURCE, .references = 1, .account = &kernel_account};

// --- The command line ---

static bool has_word(const char *text, const char *word) {
    size_t length = strnlen(word, 64);
    while (*text != '\0') {
        if (memcmp(text, word, strnlen(text, length)) == 0 && strnlen(text, length) == length &&
            (text[length] == ' ' || text[length] == '\0')) {
            return true;
        }
        while (*text != '\0' && *text++ != ' ') {
        }
    }
    return false;
}

static void start_tracing(void) {
    paddr_t memory;
    unsigned order = page_order_for((uint64_t) machine_info.cpu_count * TRACE_CPU_BYTES);
    if (page_allocate(&kernel_account, order, &memory) != OK) {
        log_print("no memory for the trace buffer");
        return;
    }
    trace_start(physical_to_kernel(memory), machine_info.cpu_count);
}

// --- Init ---

// The archive is not mapped where it is linked, to save page tables.
static const struct archive_header *archive_header(void) {
    return physical_to_kernel(arch_image_to_physical(archive_start));
}

static const struct archive_entry *find_init(void) {
    const struct archive_header *header = archive_header();
    const struct archive_entry *entries = (const struct archive_entry *) (header + 1);
    if (header->magic != ARCHIVE_MAGIC) {
        panic("the image has no archive");
    }
    for (uint32_t i = 0; i < header->entry_count; i++) {
        static const char path[] = "/components/init";
        if (memcmp(entries[i].path, path, sizeof(path)) == 0) {
            return &entries[i];
        }
    }
    panic("the archive has no /components/init");
}

static struct folio *archive_folio(void) {
    struct folio *folio;
    paddr_t base = arch_image_to_physical(archive_start);
    if (folio_create_of_range(&kernel_account, FOLIO_IMAGE, base, (uint64_t) (archive_end - archive_start), &folio) != OK) {
        panic("no memory for the archive's folio");
    }
    return folio;
}

static struct folio *boot_info_folio(void) {
    struct folio *folio;
    struct folio_page memory;
    if (folio_create(&kernel_account, PAGE_SIZE, 0, &folio) != OK || folio_get_page(folio, 0, true, &memory) != OK) {
        panic("no memory for the boot information");
    }
    struct boot_info_page *page = physical_to_kernel(memory.physical);
    static_assert(sizeof(*page) <= PAGE_SIZE);
    page->archive_size = archive_header()->size;
    page->ecam_base = machine_info.ecam_base;
    page->ecam_first_bus = machine_info.ecam_first_bus;
    page->ecam_last_bus = machine_info.ecam_last_bus;
    memcpy(page->command_line, boot_info.command_line, strnlen(boot_info.command_line, sizeof(page->command_line) - 1));
    return folio;
}

static struct process *load_init(struct folio *archive) {
    const struct archive_entry *file = find_init();
    struct process_config config = {
        .name = "init",
        .isolation = ISOLATION_USER,
        .image_offset = file->offset,
        .image_size = file->size,
        .memory_limit = INIT_MEMORY_LIMIT,
        .handle_limit = INIT_HANDLE_LIMIT,
        .priority = INIT_PRIORITY,
        .stack_size = INIT_STACK_SIZE,
    };
    struct process *process;
    status_t status = process_create(&config, &archive->object, &process);
    if (status != OK) {
        panic("init can't be loaded: %d", status);
    }
    return process;
}

static void give(struct process *process, struct object *object, uint32_t rights, handle_t expected) {
    uint64_t handle;
    if (process_add_handle(process, object, rights, &handle) != OK || handle != expected) {
        panic("init's handles");
    }
}

static void start_init(void) {
    enum : uint32_t { ARCHIVE_RIGHTS = RIGHT_READ | RIGHT_EXECUTE | RIGHT_TRANSFER | RIGHT_DUPLICATE | RIGHT_DMA };
    struct folio *archive = archive_folio();
    struct process *process = load_init(archive);
    give(process, &resource, 0, INIT_HANDLE_RESOURCE);
    give(process, &archive->object, ARCHIVE_RIGHTS, INIT_HANDLE_ARCHIVE);
    give(process, &boot_info_folio()->object, RIGHT_READ, INIT_HANDLE_BOOT_INFO);
    process_start(process);
    object_release(&process->object); // it keeps itself
}

// --- The compiler's stack protector ---

uintptr_t __stack_chk_guard; // random, but for a zero byte that stops string copies

[[noreturn]] void __stack_chk_fail(void) {
    panic("kernel stack overrun");
}

// --- CPUs ---

static void bring_online(void) {
    struct cpu *cpu = cpu_self();
    cpu->is_online = true;
    cpu_count++;
}

[[noreturn]] void kernel_main(void) {
    kernel_lock();
    page_init();
    arch_init();
    random_init();
    __stack_chk_guard = random_next() & ~0xffull;
    for (uint32_t i = 0; i < machine_info.cpu_count; i++) {
        scheduler_init_cpu(&cpus[i]);
    }
    bring_online();
    log_print("Starina, %u CPU%s, %lu MiB", machine_info.cpu_count, machine_info.cpu_count == 1 ? "" : "s",
              page_total_bytes >> 20);
    if (has_word(boot_info.command_line, "trace")) {
        start_tracing();
    }
    system_counts_instructions = has_word(boot_info.command_line, "icount");
    arch_start_cpus();
    start_init();
    scheduler_leave_kernel();
}

[[noreturn]] void kernel_cpu_main(void) {
    kernel_lock();
    bring_online();
    scheduler_leave_kernel();
}

[[noreturn]] void kernel_on_timer(void) {
    struct cpu *cpu = cpu_self();
    interrupt_count++;
    interrupt_timer_count++;
    trace(TRACE_TIMER, 0, 0);
    cpu->armed = DEADLINE_NEVER;
    cpu->must_arm = true;
    timeout_run_expired(&cpu->timeouts, arch_clock_now());
    scheduler_leave_kernel();
}

[[noreturn]] void kernel_on_reschedule(void) {
    interrupt_count++;
    trace(TRACE_RESCHEDULE, 0, 0);
    scheduler_leave_kernel();
}
