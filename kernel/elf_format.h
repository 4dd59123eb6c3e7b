// The parts of the ELF file format (System V ABI) that the loader reads.
#pragma once

#include <starina/types.h>

enum : uint32_t {
    ELF_MAGIC = 0x464c457f,
    ELF_CLASS_64 = 2,
    ELF_LITTLE_ENDIAN = 1,
    ELF_TYPE_DYNAMIC = 3, // position independent
    ELF_SEGMENT_LOAD = 1,
    ELF_SEGMENT_DYNAMIC = 2,
    ELF_FLAG_EXECUTE = 1,
    ELF_FLAG_WRITE = 2,
    ELF_DYNAMIC_END = 0,
    ELF_DYNAMIC_RELA = 7,
    ELF_DYNAMIC_RELA_SIZE = 8,
};

struct elf_header {
    uint32_t magic;
    uint8_t class, byte_order, version, os_abi;
    uint64_t padding;
    uint16_t type, machine;
    uint32_t file_version;
    uint64_t entry;
    uint64_t program_headers, section_headers; // offsets in the file
    uint32_t flags;
    uint16_t header_size;
    uint16_t program_header_size, program_header_count;
    uint16_t section_header_size, section_header_count, section_names;
};

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, address, physical_address;
    uint64_t file_size, memory_size, alignment;
};

struct elf_dynamic {
    uint64_t tag, value;
};

struct elf_relocation {
    uint64_t address;
    uint32_t type, symbol;
    uint64_t addend;
};

static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_program_header) == 56 &&
              sizeof(struct elf_relocation) == 24);
