// The system file's checks.
#include "system.c"

#include <string.h>
#include <test/test.h>

static struct {
    struct system_header header;
    struct system_component components[2];
    struct system_link links[1];
    struct system_device devices[1];
    char text[8];
} file;

static bytes_t whole(void) {
    return (bytes_t) {(const uint8_t *) &file, sizeof(file)};
}

static void fill(void) {
    memset(&file, 0, sizeof(file));
    file.header = (struct system_header) {SYSTEM_MAGIC, 2, 1, 1, sizeof(file.text)};
    for (size_t i = 0; i < 2; i++) {
        strcpy(file.components[i].name, i == 0 ? "server" : "client");
        strcpy(file.components[i].component, "thing");
        file.components[i].memory_limit = 1 << 20;
    }
    file.components[1].config_size = 4;
    strcpy(file.links[0].service, "echo");
    file.links[0].client = 1;
    file.devices[0] = (struct system_device) {.device_class = DEVICE_VIRTIO, .id = 1};
    memcpy(file.text, "a=1\nb=2\n", 8);
}

TEST("a system file is read in place") {
    struct system system;
    fill();
    EXPECT_EQ(system_parse(whole(), &system), OK);
    EXPECT(system.components == file.components && system.links == file.links && system.devices == file.devices);
    EXPECT(system_component_fault(&system, &system.components[1]) == nullptr);
    EXPECT(system_link_fault(&system, &system.links[0]) == nullptr);
    EXPECT(system_device_fault(&system, &system.devices[0]) == nullptr);
    EXPECT(bytes_equal(system_config(&system, &system.components[1]), BYTES("a=1\n")));
}

TEST("a system file that is cut off anywhere is refused") {
    struct system system;
    fill();
    for (size_t length = 0; length < sizeof(file); length++) {
        EXPECT_EQ(system_parse((bytes_t) {(const uint8_t *) &file, length}, &system), ERR_MALFORMED);
    }
}

TEST("another magic number is refused, and so are more entries than init has room for") {
    struct system system;
    fill();
    file.header.magic++;
    EXPECT_EQ(system_parse(whole(), &system), ERR_MALFORMED);
    fill();
    file.header.component_count = UINT32_MAX;
    EXPECT_EQ(system_parse(whole(), &system), ERR_LIMIT);
}

TEST("a component with a name that does not end, a wrong number or a wrong offset is at fault") {
    struct system system;
    fill();
    EXPECT_EQ(system_parse(whole(), &system), OK);
    memset(file.components[0].name, 'x', sizeof(file.components[0].name));
    EXPECT(system_component_fault(&system, &system.components[0]) != nullptr);
    fill();
    file.components[0].isolation = 2;
    EXPECT(system_component_fault(&system, &system.components[0]) != nullptr);
    fill();
    file.components[0].restart = RESTART_UNLIMITED + 1;
    EXPECT(system_component_fault(&system, &system.components[0]) != nullptr);
    fill();
    file.components[0].priority = PRIORITY_COUNT;
    EXPECT(system_component_fault(&system, &system.components[0]) != nullptr);
    fill();
    file.components[1].config_offset = 5;
    EXPECT(system_component_fault(&system, &system.components[1]) != nullptr);
    file.components[1].config_offset = UINT32_MAX;
    EXPECT(system_component_fault(&system, &system.components[1]) != nullptr);
}

TEST("a link or device of a component that is not there is at fault") {
    struct system system;
    fill();
    EXPECT_EQ(system_parse(whole(), &system), OK);
    file.links[0].server = SYSTEM_SERVER_INIT;
    EXPECT(system_link_fault(&system, &system.links[0]) == nullptr);
    file.links[0].server = 2;
    EXPECT(system_link_fault(&system, &system.links[0]) != nullptr);
    file.devices[0].component = 2;
    EXPECT(system_device_fault(&system, &system.devices[0]) != nullptr);
}
