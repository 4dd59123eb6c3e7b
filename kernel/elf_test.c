// The loader: what it makes of a good file, of each kind of bad one, and of a great many that are a little wrong.
//
// Folios are here as large as they say and not a byte larger, so that the sanitizer sees whoever reads past their end;
// the address space checks every mapping.
//
// test-with: kernel/elf.c
#include "elf.h"

#include "elf_format.h"

#include <test/kernel/machine.h>
#include <test/test.h>

enum : uint64_t { TEXT_AT = 0x1000, DATA_AT = 0x2000, DATA_ADDRESS = 0x3000, FILE_SIZE = 0x3000, ROOM_AT = 0x10000000 };
enum { MAPPINGS_MAX = 8, MUTATIONS = 300000 };

uint64_t page_total_bytes, page_free_bytes;
void page_init(void) {
}

// --- Folios ---

static unsigned folio_count, allocations_left;

static struct folio *folio_of(uint64_t size) {
    struct folio *folio = calloc(1, sizeof(*folio));
    object_init(&folio->object, OBJECT_FOLIO, nullptr);
    folio->kind = FOLIO_RANGE;
    folio->size = size;
    folio->base = (paddr_t) aligned_alloc(PAGE_SIZE, size);
    memset((void *) folio->base, 0, size);
    folio_count++;
    return folio;
}

status_t folio_create(struct account *, uint64_t size, uint32_t, struct folio **out_folio) {
    if (allocations_left == 0 || size > 1 << 20) {
        return ERR_NO_MEMORY;
    }
    allocations_left--;
    *out_folio = folio_of((size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1));
    return OK;
}

void object_release(struct object *object) {
    struct folio *folio = (struct folio *) object;
    if (--object->references == 0) {
        folio_count--;
        free((void *) folio->base);
        free(folio);
    }
}

static void *inside(const struct folio *folio, uint64_t offset, uint64_t size) {
    if (!folio_holds(folio, offset, size)) {
        panic("%#lx bytes at %#lx of a folio of %#lx", (unsigned long) size, (unsigned long) offset,
              (unsigned long) folio->size);
    }
    return (uint8_t *) folio->base + offset;
}

void folio_read(const struct folio *folio, uint64_t offset, void *to, size_t size) {
    memcpy(to, inside(folio, offset, size), size);
}

status_t folio_write(struct folio *folio, uint64_t offset, const void *from, size_t size) {
    memcpy(inside(folio, offset, size), from, size);
    return OK;
}

status_t folio_get_page(struct folio *folio, uint64_t offset, bool, struct folio_page *out_page) {
    if (allocations_left == 0) {
        return ERR_NO_MEMORY;
    }
    allocations_left--;
    *out_page = (struct folio_page) {(paddr_t) inside(folio, offset & ~(PAGE_SIZE - 1), PAGE_SIZE), true};
    return OK;
}

// --- The address space ---

static struct mapping {
    vaddr_t address;
    struct folio *folio;
    uint64_t offset, size;
    uint32_t flags;
} mappings[MAPPINGS_MAX];
static unsigned mapping_count;
static uint64_t room;

status_t vmspace_find_room(const struct vmspace *, uint64_t size, vaddr_t *out_address) {
    room = size;
    *out_address = ROOM_AT;
    return OK;
}

status_t vmspace_map_at(struct vmspace *, vaddr_t address, struct folio *folio, uint64_t offset, uint64_t size,
                        uint32_t flags) {
    bool is_aligned = (address | offset | size) % PAGE_SIZE == 0 && size > 0;
    bool is_in_room = address >= ROOM_AT && address - ROOM_AT <= room && size <= room - (address - ROOM_AT);
    bool is_free = mapping_count == 0 || address >= mappings[mapping_count - 1].address + mappings[mapping_count - 1].size;
    bool is_safe = (flags & (MAP_WRITE | MAP_EXECUTE)) != (MAP_WRITE | MAP_EXECUTE);
    if (!is_aligned || !is_in_room || !is_free || !is_safe || mapping_count == MAPPINGS_MAX) {
        panic("a mapping of %#lx bytes at %#lx", (unsigned long) size, (unsigned long) address);
    }
    // Its last page may be the file's last one, which is there as a whole.
    inside(folio, offset, size - PAGE_SIZE + 1);
    if (allocations_left == 0) {
        return ERR_NO_MEMORY;
    }
    allocations_left--;
    object_retain(&folio->object);
    mappings[mapping_count++] = (struct mapping) {address, folio, offset, size, flags};
    return OK;
}

static void end_space(void) {
    while (mapping_count > 0) {
        object_release(&mappings[--mapping_count].folio->object);
    }
}

// --- A component's file ---

static struct {
    struct elf_header header;
    struct elf_program_header segments[3];
    struct elf_dynamic dynamic[3];
    struct elf_relocation relocations[2];
} head;
static struct folio *image;

static void make_file(void) {
    enum : uint64_t { HEADERS = offsetof(typeof(head), segments), DYNAMIC = offsetof(typeof(head), dynamic) };
    enum : uint64_t { RELOCATIONS = offsetof(typeof(head), relocations) };
    head = (typeof(head)) {
        .header = {.magic = ELF_MAGIC,
                   .class = ELF_CLASS_64,
                   .byte_order = ELF_LITTLE_ENDIAN,
                   .type = ELF_TYPE_DYNAMIC,
                   .machine = ELF_MACHINE,
                   .entry = TEXT_AT + 0x40,
                   .program_headers = HEADERS,
                   .program_header_size = sizeof(struct elf_program_header),
                   .program_header_count = 3},
        .segments = {{.type = ELF_SEGMENT_LOAD, .flags = ELF_FLAG_EXECUTE, .file_size = DATA_AT, .memory_size = DATA_AT},
                     {.type = ELF_SEGMENT_LOAD,
                      .flags = ELF_FLAG_WRITE,
                      .offset = DATA_AT,
                      .address = DATA_ADDRESS,
                      .file_size = 0x800,
                      .memory_size = 0x2800},
                     {.type = ELF_SEGMENT_DYNAMIC, .offset = DYNAMIC, .file_size = sizeof(head.dynamic)}},
        .dynamic = {{ELF_DYNAMIC_RELA, RELOCATIONS}, {ELF_DYNAMIC_RELA_SIZE, sizeof(head.relocations)}, {ELF_DYNAMIC_END, 0}},
        .relocations = {{.address = DATA_ADDRESS + 8, .type = ELF_RELOCATION_RELATIVE, .addend = 0x1234},
                        {.address = DATA_ADDRESS + 0x27f8, .type = ELF_RELOCATION_RELATIVE, .addend = 0}},
    };
}

// Loads what is in `head`, as the file that begins at the second page of a folio.
static status_t load(uint64_t size, vaddr_t *out_entry) {
    static struct vmspace space;
    vaddr_t base;
    image = folio_of(PAGE_SIZE + ((size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)));
    uint8_t *file = (uint8_t *) image->base + PAGE_SIZE;
    memcpy(file, &head, sizeof(head) < size ? sizeof(head) : size);
    if (size > DATA_AT) {
        memset(file + DATA_AT, 0x77, size - DATA_AT);
    }
    return elf_load(&space, image, PAGE_SIZE, size, &base, out_entry);
}

static void unload(void) {
    end_space();
    object_release(&image->object);
}

static status_t try_file(void) {
    vaddr_t entry;
    allocations_left = 100;
    status_t status = load(FILE_SIZE, &entry);
    unload();
    return status;
}

TEST("a good file is mapped: code from the file itself, data as a copy with zeroes behind, pointers relocated") {
    vaddr_t entry;
    allocations_left = 100;
    make_file();
    EXPECT_EQ(load(FILE_SIZE, &entry), OK);
    EXPECT_EQ(entry, ROOM_AT + TEXT_AT + 0x40);
    EXPECT_EQ(room, DATA_ADDRESS + 0x3000);
    EXPECT_EQ(mapping_count, 2);
    EXPECT(mappings[0].folio == image && mappings[0].offset == PAGE_SIZE && mappings[0].size == DATA_AT);
    EXPECT_EQ(mappings[0].flags, MAP_READ | MAP_EXECUTE);
    EXPECT(mappings[1].folio != image && mappings[1].address == ROOM_AT + DATA_ADDRESS && mappings[1].size == 0x3000);
    EXPECT_EQ(mappings[1].flags, MAP_READ | MAP_WRITE);
    const uint8_t *data = (const uint8_t *) mappings[1].folio->base;
    EXPECT(is_filled(data, 0x77, 8) && is_filled(data + 16, 0x77, 0x800 - 16) && is_filled(data + 0x800, 0, 0x27f8 - 0x800));
    EXPECT_EQ(*(const uint64_t *) (data + 8), ROOM_AT + 0x1234);
    EXPECT_EQ(*(const uint64_t *) (data + 0x27f8), ROOM_AT);
    unload();
    EXPECT_EQ(folio_count, 0);
}

#define TEST_BROKEN(sentence, change)         \
    TEST(sentence) {                          \
        make_file();                          \
        EXPECT_EQ(try_file(), OK);            \
        change;                               \
        EXPECT_EQ(try_file(), ERR_MALFORMED); \
        EXPECT_EQ(folio_count, 0);            \
    }

TEST_BROKEN("a file of another format is refused", head.header.magic++)
TEST_BROKEN("a 32-bit file is refused", head.header.class = 1)
TEST_BROKEN("a big-endian file is refused", head.header.byte_order = 2)
TEST_BROKEN("a file for another processor is refused", head.header.machine = 243)
TEST_BROKEN("a file that must lie at fixed addresses is refused", head.header.type = 2)
TEST_BROKEN("program headers of another size are refused", head.header.program_header_size = 32)
TEST_BROKEN("program headers outside the file are refused", head.header.program_headers = FILE_SIZE - 100)
TEST_BROKEN("program headers whose place overflows are refused", head.header.program_headers = UINT64_MAX - 40)
TEST_BROKEN("more program headers than the file holds are refused", head.header.program_header_count = UINT16_MAX)
TEST_BROKEN("a file without segments is refused", head.header.program_header_count = 0)
TEST_BROKEN("an entry in no segment is refused", head.header.entry = 0x10000000)
TEST_BROKEN("an entry in data is refused", head.header.entry = DATA_ADDRESS)
TEST_BROKEN("a segment that is writable and executable is refused", head.segments[1].flags = ELF_FLAG_WRITE | ELF_FLAG_EXECUTE)
TEST_BROKEN("segments that overlap are refused", head.segments[1].address = 0x1000)
TEST_BROKEN("a segment off a page's start is refused", head.segments[1].address += 8)
TEST_BROKEN("a segment off a page's start in the file is refused", head.segments[1].offset += 8)
TEST_BROKEN("a segment outside the file is refused", head.segments[1].offset = FILE_SIZE + PAGE_SIZE)
TEST_BROKEN("a segment that reaches past the file's end is refused", head.segments[1].file_size = 0x1001)
TEST_BROKEN("a segment whose end overflows is refused", head.segments[1].memory_size = UINT64_MAX - 4096)
TEST_BROKEN("a segment larger in the file than in memory is refused", head.segments[1].memory_size = 0x400)
TEST_BROKEN("code with memory behind its file is refused", head.segments[0].memory_size += PAGE_SIZE)
TEST_BROKEN("a relocation of code is refused", head.relocations[0].address = TEXT_AT)
TEST_BROKEN("a relocation outside is refused", head.relocations[0].address = 0x100000)
TEST_BROKEN("a relocation over a segment's end is refused", head.relocations[0].address = DATA_ADDRESS + 0x2ffc)
TEST_BROKEN("a relocation whose end overflows is refused", head.relocations[0].address = UINT64_MAX - 3)
TEST_BROKEN("a relocation of another type is refused", head.relocations[1].type = 6)
TEST_BROKEN("a relocation table outside is refused", head.dynamic[0].value = 0x100000)
TEST_BROKEN("a relocation table without an end is refused", head.dynamic[1].value = UINT64_MAX)
TEST_BROKEN("a dynamic table outside the file is refused", head.segments[2].offset = FILE_SIZE)

TEST("a file that is cut off anywhere is refused") {
    vaddr_t entry;
    make_file();
    for (uint64_t size = 0; size < DATA_AT + 0x800; size += size < sizeof(head) ? 1 : 509) {
        allocations_left = 100;
        EXPECT_EQ(load(size, &entry), ERR_MALFORMED);
        unload();
    }
    EXPECT_EQ(folio_count, 0);
}

TEST("whichever allocation fails, the loader says so and all comes back with the address space") {
    vaddr_t entry;
    make_file();
    status_t status = ERR_NO_MEMORY;
    for (unsigned count = 0; status != OK; count++) {
        allocations_left = count;
        status = load(FILE_SIZE, &entry);
        EXPECT(status == (count < 4 ? ERR_NO_MEMORY : OK));
        unload();
        EXPECT_EQ(folio_count, 0);
    }
}

// --- A great many files ---

// Numbers that are near some limit, or anything.
static uint64_t odd_number(void) {
    const uint64_t odd[] = {0,      1,         7,          8,          0xfff,      PAGE_SIZE, 0x2000,
                            0x3000, FILE_SIZE, 1ull << 30, 1ull << 32, 1ull << 63, UINT64_MAX};
    uint64_t number = odd[random_below(sizeof(odd) / sizeof(odd[0]))];
    return number + random_below(3) - 1 + (random_below(8) == 0 ? (uint64_t) random_below(UINT32_MAX) << random_below(32) : 0);
}

TEST("of files that are a little wrong, none is read past its end, mapped wrongly or leaks") {
    unsigned good = 0;
    for (unsigned round = 0; round < MUTATIONS; round++) {
        make_file();
        for (unsigned changes = 1 + random_below(3); changes > 0; changes--) {
            if (random_below(2) == 0) {
                ((uint8_t *) &head)[random_below(sizeof(head))] = (uint8_t) random_below(256);
            } else {
                uint64_t number = odd_number();
                size_t sizes[] = {2, 4, 8};
                size_t size = sizes[random_below(3)];
                memcpy((uint8_t *) &head + random_below(sizeof(head) / size) * size, &number, size);
            }
        }
        vaddr_t entry;
        allocations_left = random_below(20) == 0 ? random_below(4) : 100;
        status_t status = load(FILE_SIZE - (random_below(8) == 0 ? random_below(FILE_SIZE) : 0), &entry);
        EXPECT(status == OK || status == ERR_MALFORMED || status == ERR_NO_MEMORY);
        good += status == OK;
        unload();
        EXPECT_EQ(folio_count, 0);
    }
    EXPECT(good > MUTATIONS / 10 && good < MUTATIONS);
}
