// The loader. It trusts nothing in the file: every field is read once, into locals, and checked.
#include "elf.h"

#include "memory.h"

#include "elf_format.h"

enum { SEGMENTS_MAX = 8 };

struct segment {
    uint64_t offset; // in the file
    uint64_t file_size;
    uint64_t address;   // relative to the base, page aligned
    uint64_t size;      // in memory, whole pages
    uint32_t flags;     // enum map_flags
    struct folio *copy; // writable segments' own pages
};

struct elf {
    struct folio *image;
    uint64_t offset, size; // the file in the image
    struct elf_header header;
    struct segment segments[SEGMENTS_MAX];
    unsigned segment_count;
    struct elf_dynamic_info {
        uint64_t address, size;
    } dynamic, relocations;
};

static status_t read(const struct elf *elf, uint64_t at, void *to, size_t size) {
    if (at > elf->size || size > elf->size - at) {
        return ERR_MALFORMED;
    }
    folio_read(elf->image, elf->offset + at, to, size);
    return OK;
}

static status_t check_header(const struct elf_header *header) {
    bool is_elf = header->magic == ELF_MAGIC && header->class == ELF_CLASS_64 && header->byte_order == ELF_LITTLE_ENDIAN;
    bool is_component = header->type == ELF_TYPE_DYNAMIC && header->machine == ELF_MACHINE;
    return is_elf && is_component && header->program_header_size == sizeof(struct elf_program_header) ? OK : ERR_MALFORMED;
}

static uint32_t map_flags_of(uint32_t elf_flags) {
    return MAP_READ | ((elf_flags & ELF_FLAG_WRITE) != 0 ? MAP_WRITE : 0) |
           ((elf_flags & ELF_FLAG_EXECUTE) != 0 ? MAP_EXECUTE : 0);
}

// Segments come in ascending order and don't share pages, as the ELF format and our linker options promise.
static status_t add_segment(struct elf *elf, const struct elf_program_header *header) {
    enum : uint64_t { SIZE_MAX_ = 1ull << 30 }; // of a whole component; keeps the sums below from overflowing
    uint64_t end = elf->segment_count == 0
                       ? 0
                       : elf->segments[elf->segment_count - 1].address + elf->segments[elf->segment_count - 1].size;
    bool is_small =
        header->memory_size <= SIZE_MAX_ && header->address <= SIZE_MAX_ && header->file_size <= header->memory_size;
    bool is_in_file = header->offset <= elf->size && header->file_size <= elf->size - header->offset;
    bool is_aligned = header->offset % PAGE_SIZE == 0 && header->address % PAGE_SIZE == 0;
    uint32_t flags = map_flags_of(header->flags);
    bool is_writable = (flags & MAP_WRITE) != 0;
    if (!is_small || !is_in_file || !is_aligned || header->address < end || elf->segment_count == SEGMENTS_MAX) {
        return ERR_MALFORMED;
    }
    if (is_writable ? (flags & MAP_EXECUTE) != 0 : header->file_size != header->memory_size) {
        return ERR_MALFORMED;
    }
    elf->segments[elf->segment_count++] = (struct segment) {
        .offset = header->offset,
        .file_size = header->file_size,
        .address = header->address,
        .size = (header->memory_size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1),
        .flags = flags,
    };
    return OK;
}

static status_t read_program_headers(struct elf *elf) {
    for (unsigned i = 0; i < elf->header.program_header_count; i++) {
        struct elf_program_header header;
        TRY(read(elf, elf->header.program_headers + i * sizeof(header), &header, sizeof(header)));
        if (header.type == ELF_SEGMENT_LOAD && header.memory_size > 0) {
            TRY(add_segment(elf, &header));
        } else if (header.type == ELF_SEGMENT_DYNAMIC) {
            elf->dynamic = (struct elf_dynamic_info) {.address = header.offset, .size = header.file_size};
        }
    }
    return elf->segment_count > 0 ? OK : ERR_MALFORMED;
}

static status_t copy_content(const struct elf *elf, const struct segment *segment) {
    for (uint64_t done = 0, part; done < segment->file_size; done += part) {
        part = segment->file_size - done < PAGE_SIZE ? segment->file_size - done : PAGE_SIZE;
        struct folio_page page;
        TRY(folio_get_page(segment->copy, done, true, &page));
        folio_read(elf->image, elf->offset + segment->offset + done, physical_to_kernel(page.physical), part);
    }
    return OK;
}

static status_t map_copy(struct vmspace *space, const struct elf *elf, struct segment *segment, vaddr_t base) {
    TRY(folio_create(space->account, segment->size, 0, &segment->copy));
    status_t status = copy_content(elf, segment);
    if (status == OK) {
        status = vmspace_map_at(space, base + segment->address, segment->copy, 0, segment->size, segment->flags);
    }
    object_release(&segment->copy->object); // on success the mapping keeps it
    return status;
}

static status_t map_segments(struct vmspace *space, struct elf *elf, vaddr_t base) {
    for (unsigned i = 0; i < elf->segment_count; i++) {
        struct segment *segment = &elf->segments[i];
        if ((segment->flags & MAP_WRITE) != 0) {
            TRY(map_copy(space, elf, segment, base));
        } else {
            TRY(vmspace_map_at(space, base + segment->address, elf->image, elf->offset + segment->offset, segment->size,
                               segment->flags));
        }
    }
    return OK;
}

static struct segment *segment_of(struct elf *elf, uint64_t address, uint64_t size) {
    for (unsigned i = 0; i < elf->segment_count; i++) {
        struct segment *segment = &elf->segments[i];
        if (address >= segment->address && address - segment->address <= segment->size &&
            size <= segment->size - (address - segment->address)) {
            return segment;
        }
    }
    return nullptr;
}

// The file offset of data that lies at an address. The relocation table is in a read-only segment.
static status_t file_offset_of(struct elf *elf, uint64_t address, uint64_t size, uint64_t *out_offset) {
    const struct segment *segment = segment_of(elf, address, size);
    if (segment == nullptr) {
        return ERR_MALFORMED;
    }
    *out_offset = segment->offset + (address - segment->address);
    return OK;
}

static status_t read_dynamic(struct elf *elf) {
    for (uint64_t at = 0; at + sizeof(struct elf_dynamic) <= elf->dynamic.size; at += sizeof(struct elf_dynamic)) {
        struct elf_dynamic entry;
        TRY(read(elf, elf->dynamic.address + at, &entry, sizeof(entry)));
        if (entry.tag == ELF_DYNAMIC_END) {
            break;
        }
        if (entry.tag == ELF_DYNAMIC_RELA) {
            elf->relocations.address = entry.value;
        } else if (entry.tag == ELF_DYNAMIC_RELA_SIZE) {
            elf->relocations.size = entry.value;
        }
    }
    return OK;
}

static status_t relocate(struct elf *elf, vaddr_t base) {
    uint64_t table = 0;
    if (elf->relocations.size > 0) {
        TRY(file_offset_of(elf, elf->relocations.address, elf->relocations.size, &table));
    }
    for (uint64_t at = 0; at + sizeof(struct elf_relocation) <= elf->relocations.size; at += sizeof(struct elf_relocation)) {
        struct elf_relocation relocation;
        TRY(read(elf, table + at, &relocation, sizeof(relocation)));
        struct segment *segment = segment_of(elf, relocation.address, sizeof(uint64_t));
        if (relocation.type != ELF_RELOCATION_RELATIVE || segment == nullptr || segment->copy == nullptr) {
            return ERR_MALFORMED;
        }
        uint64_t value = base + relocation.addend;
        TRY(folio_write(segment->copy, relocation.address - segment->address, &value, sizeof(value)));
    }
    return OK;
}

static status_t check_entry(struct elf *elf) {
    const struct segment *segment = segment_of(elf, elf->header.entry, 1);
    return segment != nullptr && (segment->flags & MAP_EXECUTE) != 0 ? OK : ERR_MALFORMED;
}

status_t elf_load(struct vmspace *space, struct folio *image, uint64_t offset, uint64_t size, vaddr_t *out_base,
                  vaddr_t *out_entry) {
    struct elf elf = {.image = image, .offset = offset, .size = size};
    TRY(read(&elf, 0, &elf.header, sizeof(elf.header)));
    TRY(check_header(&elf.header));
    TRY(read_program_headers(&elf));
    TRY(check_entry(&elf));
    const struct segment *last = &elf.segments[elf.segment_count - 1];
    vaddr_t base;
    TRY(vmspace_find_room(space, last->address + last->size, &base));
    TRY(map_segments(space, &elf, base));
    TRY(read_dynamic(&elf));
    TRY(relocate(&elf, base));
    *out_base = base;
    *out_entry = base + elf.header.entry;
    return OK;
}
