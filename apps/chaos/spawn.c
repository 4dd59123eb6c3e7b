// Makes a component of its own, which would not be bound by what init allows this one.
#include "chaos.h"

#include <starina/process.h>

enum : uint32_t { ELF_MAGIC = 0x464c457f, ELF_SEGMENT_LOAD = 1, ELF_FLAGS_READ_EXECUTE = 5 };
enum : uint16_t { ELF_TYPE_DYNAMIC = 3, ELF_MACHINE_X86_64 = 62 };

// System V ABI: the header of an ELF file, and that of its one segment, which is the whole file.
static const struct {
    uint32_t magic;
    uint8_t class, byte_order, version, os_abi;
    uint64_t padding;
    uint16_t type, machine;
    uint32_t file_version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_size, program_header_size, program_header_count;
    uint16_t section_header_size, section_header_count, section_names;
    uint32_t segment_type, segment_flags;
    uint64_t offset, address, physical_address, file_size, memory_size, alignment;
    uint16_t code;
} image = {
    .magic = ELF_MAGIC,
    .class = 2,
    .byte_order = 1,
    .version = 1,
    .type = ELF_TYPE_DYNAMIC,
    .machine = ELF_MACHINE_X86_64,
    .file_version = 1,
    .entry = 120, // of the code
    .program_headers = 64,
    .header_size = 64,
    .program_header_size = 56,
    .program_header_count = 1,
    .segment_type = ELF_SEGMENT_LOAD,
    .segment_flags = ELF_FLAGS_READ_EXECUTE,
    .file_size = PAGE_SIZE,
    .memory_size = PAGE_SIZE,
    .alignment = PAGE_SIZE,
    .code = 0x0b0f, // ud2
};

static status_t make_image(folio_t *out_folio) {
    uint64_t address;
    TRY(folio_create(PAGE_SIZE, 0, out_folio));
    TRY(vmspace_map(*out_folio, 0, PAGE_SIZE, MAP_READ | MAP_WRITE, &address));
    return mem_copy((void *) (uintptr_t) address, PAGE_SIZE, &image, sizeof(image));
}

static status_t spawn(enum isolation_mode isolation) {
    struct process_config config = {
        .name = "stowaway",
        .isolation = isolation,
        .image_size = PAGE_SIZE,
        .memory_limit = 256 << 10,
        .handle_limit = 8,
        .priority = PRIORITY_DEFAULT,
        .stack_size = PAGE_SIZE,
    };
    process_t process;
    TRY(make_image(&config.image));
    return process_create(&config, &process);
}

int act_spawn(void) {
    status_t user = spawn(ISOLATION_USER), kernel = spawn(ISOLATION_KERNEL);
    log_warn("spawn: user %s, kernel %s", status_name(user), status_name(kernel));
    return user == ERR_DENIED && kernel == ERR_DENIED ? 0 : 1;
}
