"""What sx run makes of its options, and how it ends."""

import argparse
import os
import shlex
import signal
import socket

import advice
import pytest
import qemu
import run
import symbolize
from paths import ROOT
from ui import Fail


@pytest.fixture
def web(small_tree):
    small_tree.component("virtio_net", 'provides = ["ethernet"]\ndevices = [{ virtio = "net" }]', folder="drivers")
    small_tree.component("hello", 'config = { a = "text", n = "number" }')
    return small_tree.system("[components.virtio_net]\n[components.hello]")


def options(*arguments):
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return parser.parse_args(arguments)


def words(system, *arguments):
    return qemu.kernel_words(options(*arguments), system)


def test_isolation_patterns_and_settings_reach_the_kernel(web):
    line = words(web, "--isolate", "*=kernel", "--isolate", "virtio_*=user", "--set", "hello.a=b=c")
    assert line == "isolate=virtio_net:user,hello:kernel hello.a=b=c"


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--isolate", "tcpip=user"], "has no such component; it has hello, virtio_net"),
        (["--isolate", "hello=soft"], "the mode must be one of user, kernel"),
        (["--isolate", "hello"], "must be PATTERN=MODE, as in 'hello=kernel'"),
        (["--isolate", "init=kernel"], "init is always in user isolation"),
        (["--set", "a.b=c"], "has no such component; it has hello, init, virtio_net"),
        (["--set", "hello"], "must be NAME.KEY=VALUE"),
        (["--set", "hello.a=b c"], "must be NAME.KEY=VALUE"),
        (["--set", "hello.b=1"], "'hello' has no setting 'b'; "),
        (["--set", "init.b=1"], "'init' has no setting 'b'; "),
        (["--set", "hello.n=1k"], "'n' must be a number"),
        (["--set", "hello.log_level=4"], "'log_level' must be 0 to 3"),
        (["--set", "hello.log_level=debug"], "'log_level' must be a number"),
        (["--set", "hello.n="], "'n' must be a number"),
        (["--set", "hello.a=" + "x" * 2048], "command line is over 2047 bytes"),
    ],
)
def test_wrong_words_are_refused(web, arguments, complaint):
    with pytest.raises(Fail) as failure:
        words(web, *arguments)
    assert complaint in str(failure.value)


def test_every_component_has_a_log_level(web):
    assert words(web, "--set", "virtio_net.log_level=3", "--set", "init.log_level=3") == "virtio_net.log_level=3 init.log_level=3"


def test_port_is_forwarded_on_this_machine_only(web):
    command = qemu.command(options("--port", "8099"), web)
    assert "user,id=net,hostfwd=tcp:127.0.0.1:8099-:80" in command


def test_each_machine_gets_its_kind_of_device(web):
    assert "virtio-net-device,netdev=net,bus=virtio-mmio-bus.16" in qemu.command(options(), web)
    assert "virtio-net-pci,netdev=net,disable-legacy=on,romfile=" in qemu.command(options("--machine", "q35"), web)


def test_system_without_network_gets_none(small_tree):
    small_tree.component("hello")
    command = qemu.command(options(), small_tree.system("[components.hello]"))
    assert not any("net" in word for word in command)


def test_tap(web):
    command = qemu.command(options("--net", "tap:tap7"), web)
    assert "tap,id=net,ifname=tap7,script=no,downscript=no" in command


def test_datagram_sockets(web):
    command = qemu.command(options("--net", "unix:/tmp/a,b"), web)
    ends = "local.type=unix,local.path=/tmp/a,,b,remote.type=unix,remote.path=/tmp/a,,b.peer"
    assert f"dgram,id=net,{ends}" in command


def test_datagram_sockets_need_their_peer(web, tmp_path):
    with pytest.raises(Fail, match="nothing is bound to '.*/wire.peer'"):
        run.check_network(options("--net", f"unix:{tmp_path}/wire"))


def test_command_is_quoted_for_a_shell(web):
    command = qemu.command(options("--isolate", "*=user", "--set", "hello.a=$x"), web)
    assert shlex.split(qemu.quoted(command)) == command


@pytest.mark.parametrize("arguments", [["--cpus", "9"], ["--port", "0"], ["--net", "tap:"], ["--net", "unix:"], ["--net", "unix:" + "x" * 104], ["--memory", "x"], ["--memory", "²"]])
def test_values_out_of_range_are_refused(arguments):
    with pytest.raises(SystemExit):
        options(*arguments)


def test_icount_and_trace_are_words_of_the_kernel(web):
    assert words(web, "--icount", "--trace", "/tmp/t") == "trace icount"


def test_command_works_from_any_folder(web):
    command = qemu.command(options("--trace", "x"), web, ROOT / "build" / "a,b")
    assert command[command.index("-kernel") + 1] == str(ROOT / "build/s/starina.elf")
    assert any(f"mem-path={ROOT}/build/a,,b,share=on" in word for word in command)


def test_trace_that_cannot_be_written_is_told_before(tmp_path):
    with pytest.raises(Fail, match="--trace /no/such/f: can't be written .* choose another file"):
        run.check_trace("/no/such/f")
    with pytest.raises(Fail, match="can't be written"):
        run.check_trace(tmp_path)
    run.check_trace(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_busy_debugger_port_is_named_with_the_fix(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(qemu, "GDB_PORT", server.getsockname()[1])
        with pytest.raises(Fail, match="--gdb: port .* is busy; end what listens there"):
            run.check_gdb()


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--cpu", "nonexistent"], "unable to find CPU model 'nonexistent'); --cpu: choose one that this lists: "),
        (["--memory", "65536"], "--memory: this machine does not have that much; give less"),
    ],
)
def test_what_qemu_refuses_is_one_line_that_says_what_to_do(arguments, complaint, small_tree, capsys, monkeypatch):
    if "65536" in arguments and os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > 32 << 30:
        pytest.skip("this machine may have as much")
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)  # this process goes on
    hello = small_tree.component("hello").system("[components.hello]")
    chosen = options(*arguments)
    with pytest.raises(Fail) as failure:
        run.run_machine(chosen, hello, qemu.command(chosen, hello))
    assert complaint in str(failure.value) and str(failure.value).isprintable()
    assert capsys.readouterr().err == ""


def test_silent_qemu_is_told_with_the_command():
    assert advice.remedy("") == "QEMU did not start (it said nothing); sx run --dry-run shows its command"


def said(system, *arguments, lines):
    reader = advice.Advice(system, options(*arguments))
    return [more for line in lines if (more := reader.after(line, is_booted=run.BOOTED in line))]


BOOTED = "[    0.05] kernel: booted in 55.350 ms"


def test_address_is_that_of_the_network(web, small_tree):
    address = "[    0.04] tcpip: address 10.9.0.2/24, gateway 10.9.0.1"
    assert said(web, "--port", "81", lines=[address, BOOTED]) == ["Starina serves at http://127.0.0.1:81/"]
    assert said(web, "--net", "tap:t0", lines=[address, BOOTED]) == ["Starina serves at http://10.9.0.2/"]
    (hint,) = said(web, "--net", "tap:t0", lines=[BOOTED])
    assert "no address yet" in hint and "--set tcpip.dhcp=0 --set tcpip.address=" in hint
    assert said(small_tree.system("[components.hello]"), lines=[BOOTED]) == []


@pytest.mark.parametrize(
    "complaint", ["init: error: hello: can't be started", "hello: error: can't start", "hello: error: start failed"]
)
def test_component_that_does_not_fit_is_named_once_and_no_address_promised(web, complaint):
    line = f"[    0.07] {complaint}: ERR_NO_MEMORY"
    (told,) = said(web, "--memory", "8", lines=[line, line, BOOTED])
    assert told == "sx: hello does not fit into the machine's 8 MiB, or its own limit of 1 MiB; try --memory 16"


def test_busy_port_is_named_with_the_fix():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Fail, match=f"port {port} can't be used .* sx run --port"):
            run.check_port(port)


def test_missing_interface_is_named_with_the_fix():
    with pytest.raises(Fail, match="no network interface 'tap99'; make it: ip tuntap add dev tap99 mode tap"):
        run.check_interface("tap99")


class Recorded(symbolize.Symbolizer):
    """Answers with the question."""

    def meaning(self, name, address):
        return f"<{name} {address:#x}>"


def test_return_addresses_are_looked_up_at_their_call():
    lines = ["fault", "  pc hello+0x1010", "  pc hello+0x1020", "end", "pc kernel+0xffffffff80100000"]
    symbolizer = Recorded({})
    assert [symbolizer.line(line) for line in lines] == [
        "fault",
        "  pc hello+0x1010 <hello 0x1010>",
        "  pc hello+0x1020 <hello 0x101f>",
        "end",
        "pc kernel+0xffffffff80100000 <kernel 0xffffffff80100000>",
    ]


def test_function_is_named_with_those_that_it_was_inlined_into(tmp_path, monkeypatch):
    elf = tmp_path / "hello.elf"
    elf.touch()
    symbols = [
        {"FunctionName": "handle_close", "FileName": "./a/../calls.h", "Line": 57},
        {"FunctionName": "on_accepted", "FileName": "./http.c", "Line": 36},
        {"FunctionName": "", "FileName": "", "Line": 0},
    ]
    symbolizer = symbolize.Symbolizer({"hello": elf})
    monkeypatch.setattr(symbolizer, "ask", lambda question: {"Symbol": symbols})
    assert symbolizer.line("pc hello+0x10") == "pc hello+0x10 handle_close calls.h:57 < on_accepted http.c:36"
    monkeypatch.setattr(symbolizer, "ask", lambda question: {})
    assert symbolizer.line("pc hello+0x10") == "pc hello+0x10"


def test_unknown_name_stays_as_it_is():
    assert symbolize.Symbolizer({}).line("pc ghost+0x10") == "pc ghost+0x10"
