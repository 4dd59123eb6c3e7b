"""Writes foo.client.h (calls, a peer's event handlers) and foo.server.h (a server's handlers and their dispatch)."""

from interface_messages import comment, const_pointer, function, generated, pointer


# --- Client ---


def call(message):
    name = message.args.struct
    parameters = ["channel_t channel"] + const_pointer(message.args, "args") + pointer(message.reply, "reply")
    encode_args = ", ".join((["args"] if message.args.fields else []) + ["message_out()"])
    decode_args = ", ".join(["message_reply()"] + (["reply"] if message.reply.fields else []))
    lines = [
        f"TRY({name}_encode({encode_args}));",
        f"TRY(call_wait(channel, {message.constant}, timeout_ns));",
        f"return call_decoded({message.reply.struct}_decode({decode_args}));",
    ]
    return function(f"status_t {name}_call({', '.join(parameters + ['nsec_t timeout_ns'])})", lines)


def begin(message):
    name = message.args.struct
    reply = const_pointer(message.reply, "reply")
    done = f"typedef void (*{name}_done_t)({', '.join(['void *context', 'status_t status'] + reply)});\n"
    if message.reply.fields:
        lines = [f"struct {message.reply.struct} reply;", "if (status == OK) {"]
        lines += [f"    status = {message.reply.struct}_decode(message, &reply);", "}"]
        lines += [f"(({name}_done_t) done)(context, status, status == OK ? &reply : nullptr);"]
    else:
        lines = ["if (status == OK) {", f"    status = {message.reply.struct}_decode(message);", "}"]
        lines += [f"(({name}_done_t) done)(context, status);"]
    signature = f"void {name}_deliver(hook_t done, void *context, status_t status, const struct message *message)"
    deliver = function(signature, lines)
    parameters = ["channel_t channel"] + const_pointer(message.args, "args") + [f"{name}_done_t done", "void *context"]
    encode_args = ", ".join((["args"] if message.args.fields else []) + ["message_out()"])
    lines = [
        f"TRY({name}_encode({encode_args}));",
        f"return call_begin(channel, {message.constant}, {name}_deliver, (hook_t) done, context);",
    ]
    return "\n".join([done, deliver, function(f"status_t {name}_begin({', '.join(parameters)})", lines)])


def receive_one(message, handler, context, wants_status=False):
    """A case of a dispatch for a message without a reply."""
    actual = [context]
    lines = [f"case {message.constant}: {{"]
    if message.args.fields:
        lines.append(f"    struct {message.args.struct} body;")
        actual.append("&body")
    decode_args = "message, &body" if message.args.fields else "message"
    lines.append(f"    TRY({message.args.struct}_decode({decode_args}));")
    invocation = f"{handler}({', '.join(actual)})"
    return lines + ([f"    return {invocation};"] if wants_status else [f"    {invocation};", "    return OK;"]) + ["}"]


def peer(interface):
    name, upper = interface.name, interface.name.upper()
    events = interface.of("event")
    parts = [f"#ifdef {upper}_PEER\n{upper}_PEER;"]
    for event in events:
        parameters = ", ".join([f"{upper}_PEER *peer"] + const_pointer(event.args, "event"))
        parts.append(f"static void {name}_on_{event.name}({parameters});")
    parts += [f"static void {name}_on_closed({upper}_PEER *peer);", f"static void {name}_on_writable({upper}_PEER *peer);\n"]
    lines = [f"{upper}_PEER *peer = context;", "switch (message->header.kind) {"] if events else ["(void) context;", "switch (message->header.kind) {"]
    for event in events:
        lines += receive_one(event, f"{name}_on_{event.name}", "peer")
    lines += ["default:", "    return ERR_NOT_SUPPORTED;", "}"]
    parts.append(function(f"status_t {name}_peer_receive(void *context, const struct message *message)", lines))
    parts.append(protocol(interface, "peer", f"{upper}_PEER", f"{name}_peer_receive", 0))
    lines = [f"return connection_attach(channel, &{name}_peer_protocol, peer, (hook_t) {name}_on_closed, (hook_t) {name}_on_writable);"]
    parts.append(function(f"status_t {name}_attach(channel_t channel, {upper}_PEER *peer)", lines))
    parts.append("#else\n")
    parts.append(comment("For asynchronous calls alone: an event ends the connection."))
    lines = ["return connection_attach(channel, &plain_protocol, nullptr, nullptr, nullptr);"]
    parts.append(function(f"status_t {name}_attach_plain(channel_t channel)", lines))
    return "\n".join(parts + ["#endif", ""])


def client_header(interface):
    parts = [comment(f"Client's side of: {interface.doc}"), generated(interface), "#pragma once\n", f'#include "{interface.name}.h"\n']
    for message in interface.of("call"):
        parts += [call(message), begin(message)]
    return "\n".join(parts + [peer(interface)])


# --- Server ---


def protocol(interface, side, state, receive, reply_max):
    """How the main loop delivers to this side; hooks are called with their real type."""
    name = interface.name
    hook = function(f"void {name}_{side}_run(hook_t hook, void *context)", [f"((void (*)({state} *)) hook)(context);"])
    return hook + "\n" + "\n".join(
        [
            f"[[maybe_unused]] static const struct protocol {name}_{side}_protocol = {{",
            f'    .name = "{name}",',
            f"    .receive = {receive},",
            f"    .run_hook = {name}_{side}_run,",
            f"    .reply_max = {reply_max},",
            "};\n",
        ]
    )


def handler_prototype(interface, message):
    parameters = [f"{interface.name.upper()}_CLIENT *client"] + const_pointer(message.args, "request")
    if message.kind == "call":
        parameters += pointer(message.reply, "reply")
    return f"static status_t {message.args.struct}({', '.join(parameters)});"


def receive_call(message):
    name = message.args.struct
    lines = [f"case {message.constant}: {{"]
    actual, decode_args, respond_args = ["client"], ["message"], ["status"]
    if message.args.fields:
        lines.append(f"    struct {name} request;")
        actual.append("&request")
        decode_args.append("&request")
    if message.reply.fields:
        lines.append(f"    struct {message.reply.struct} reply = {{}};")
        actual.append("&reply")
        respond_args.append("&reply")
    lines += [f"    status_t status = {name}_decode({', '.join(decode_args)});", "    if (status == OK) {"]
    lines += [f"        status = {name}({', '.join(actual)});", "    }"]
    return lines + [f"    return {name}_respond({', '.join(respond_args)});", "}"]


def server_header(interface):
    name, upper = interface.name, interface.name.upper()
    requests = [m for m in interface.messages if m.kind != "event"]
    parts = [comment(f"Server's side of: {interface.doc}"), generated(interface), "#pragma once\n", f'#include "{name}.h"\n']
    parts += [
        f"#ifndef {upper}_CLIENT",
        f"#define {upper}_CLIENT struct client",
        "#ifdef COMPONENT_HAS_POOL",
        f"#error \"{name}: struct client is another interface's state: define {upper}_CLIENT, and serve it with {name}_serve\"",
        "#endif",
        "#define COMPONENT_HAS_POOL",
        "#undef COMPONENT_PROVIDES",
        f"#define COMPONENT_PROVIDES .provides = &{name}_server_protocol, .client_size = sizeof(struct client),",
        "#endif",
        f"{upper}_CLIENT;\n",
        *[handler_prototype(interface, m) for m in requests],
        "",
    ]
    lines = [f"{upper}_CLIENT *client = context;" if requests else "(void) context;", "switch (message->header.kind) {"]
    for m in requests:
        if m.kind == "call":
            lines += receive_call(m)
        else:
            lines += receive_one(m, m.args.struct, "client", wants_status=True)
    lines += ["default:", "    return ERR_NOT_SUPPORTED;", "}"]
    parts.append(function(f"status_t {name}_receive(void *context, const struct message *message)", lines))
    parts.append(protocol(interface, "server", f"{upper}_CLIENT", f"{name}_receive", f"{upper}_REPLY_MAX"))
    hook = f"void (*on_%s)({upper}_CLIENT *)"
    parameters = f"channel_t channel, {upper}_CLIENT *client, {hook % 'closed'}, {hook % 'writable'}"
    body = f"return connection_attach(channel, &{name}_server_protocol, client, (hook_t) on_closed, (hook_t) on_writable);"
    parts.append(function(f"status_t {name}_serve({parameters})", [body]))
    return "\n".join(parts)
