"""The compiler's and linker's flags: one place for every target."""

CLANG = "clang-19"
LLD = "ld.lld-19"
AR = "llvm-ar-19"
STRIP = "llvm-strip-19"
TARGET = "x86_64-unknown-none-elf"

# Code that runs on the target: native components run in the kernel's address space too, hence no red zone.
CODE = [
    "-std=c23",
    "-ffreestanding",
    "-mno-red-zone",
    "-nostdlibinc",
    "-O2",
    "-fno-vectorize",
    "-g",
    "-fno-omit-frame-pointer",
    "-fvisibility=hidden",
    *("-Xclang", "-fstack-clash-protection"),  # no frame reaches past the guard page; clang offers it for hosted targets only
    "-fstack-protector-strong",
    "-mstack-protector-guard=global",
    "-ffunction-sections",
    "-fdata-sections",
]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
COMPONENT = ["-fPIE", "-flto"]  # docs/decisions/link-time-optimization.md
KERNEL = ["-flto", "-momit-leaf-frame-pointer", "-fno-pic", "-mcmodel=kernel", "-mgeneral-regs-only", "-Wframe-larger-than=1024"]
DEBUG = ["-fsanitize=undefined", "-fsanitize-trap=all"]
FOREIGN = ["-w"]

COMPONENT_LINK = ["-pie", "--gc-sections", "-z", "separate-loadable-segments", "-z", "noexecstack", "-z", "text", "-z", "norelro"]
COMPONENT_LINK += ["--no-dynamic-linker", "--fatal-warnings", "-mllvm", "-vectorize-loops=false"]  # LTO does not see -fno-vectorize
# For what each of many requests runs: more is put where it is called, and what is constant there is not computed.
THROUGHPUT_LINK = ["-mllvm", "-inline-threshold=500"]
# For what runs once or seldom: a boot in an emulator takes as long as it has pieces of code (`sx bench boot`: blocks).
SMALL = ["-Os"]
KERNEL_SMALL = ("acpi.c", "elf.c", "format.c", "large_page.c", "log.c", "machine.c", "main.c", "process.c", "smp.c", "start.c", "thread.c")
FAST_PATH = ["-fomit-frame-pointer"]  # its functions, which mostly do not return, are left out of backtraces
KERNEL_JOIN = ["-r", "--fatal-warnings"]  # once, as one object of code: every image links it with its own archive
KERNEL_LINK = ["-z", "noexecstack", "-z", "max-page-size=4096", "--fatal-warnings"]

# Programs of ours for the machine that builds, which need nothing of the one where they run.
TOOL = ["-std=c23", "-O2", "-g", "-D_GNU_SOURCE", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-fstack-clash-protection", "-fPIE"]
TOOL_LINK = ["-static-pie", "-fuse-ld=lld", "-Wl,-z,relro,-z,now,-z,noexecstack"]

# Unit tests on the machine that builds: all with the first sanitizers, those of what threads share with the second too.
HOST = ["-std=c23", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-D_GNU_SOURCE"]
SANITIZERS = {"tests": "address,undefined", "thread_tests": "thread"}  # by folder of the build

# What the benchmarks need: a plugin of QEMU, and a bare 32-bit program that it boots.
PLUGIN = ["-std=c23", "-O2", "-g", "-fPIC", "-fvisibility=hidden", *WARNINGS]
BARE = ["--target=i386-unknown-none-elf", "-std=c23", "-ffreestanding", "-nostdlibinc", "-O2", "-fno-pic", "-mno-sse", "-mno-mmx", *WARNINGS]
BARE_LINK = ["-m", "elf_i386", "-z", "noexecstack", "--fatal-warnings"]
