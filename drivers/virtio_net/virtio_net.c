// virtio_net: ethernet frames to and from a virtio network device, for one client.
//
// A client that breaks the region's rules loses its connection. A device that breaks its own is reset and serves again.
#include "ethernet.server.h"

#include "nic.h"

// A device that fails again and again is restarted ever more seldom.
enum : nsec_t {
    RECOVERY_MIN_NS = 10 * NSEC_PER_MSEC,
    RECOVERY_MAX_NS = 10 * NSEC_PER_SEC,
    RECOVERY_FORGOTTEN_NS = 60 * NSEC_PER_SEC,
};

struct client {
    bool is_open;
    bool owes_wake;        // its queue was full
    bool believes_in_link; // what it was told last
};

static struct device card;
static struct nic nic;
static struct client *user; // the one client, once it has opened
static struct timer again;
static struct timer recovery;
static nsec_t recovery_delay;
static nsec_t failed_at;

static void run_frames(void *unused);

static void log_counters(void) {
    const struct nic_counters *counters = &nic.counters;
    log_debug("received %llu frames, %llu bytes; sent %llu, %llu", (unsigned long long) counters->received_frames,
              (unsigned long long) counters->received_bytes, (unsigned long long) counters->sent_frames,
              (unsigned long long) counters->sent_bytes);
    log_debug("dropped: %llu short, %llu spanning buffers, %llu beyond the MTU, %llu bad offloads; %llu device failures",
              (unsigned long long) counters->dropped_short, (unsigned long long) counters->dropped_spanning,
              (unsigned long long) counters->dropped_long, (unsigned long long) counters->dropped_offload,
              (unsigned long long) counters->device_failures);
}

static void wake(struct client *client) {
    status_t status = ethernet_wake_send(client_channel(client));
    client->owes_wake = status == ERR_FULL;
    if (status != OK && status != ERR_FULL && status != ERR_CLOSED) {
        log_warn("can't wake the client: %s", status_name(status));
    }
}

// The news of room in its queue tries again.
static void tell_link(struct client *client) {
    if (client->believes_in_link == nic.is_link_up) {
        return;
    }
    const struct ethernet_link event = {.up = nic.is_link_up};
    status_t status = ethernet_link_send(client_channel(client), &event);
    if (status == OK) {
        client->believes_in_link = nic.is_link_up;
    } else if (status != ERR_FULL && status != ERR_CLOSED) {
        log_warn("can't tell the client about the link: %s", status_name(status));
    }
}

// --- The device's failures ---

static void recover(void *unused);

static void fail(void) {
    nic.counters.device_failures++;
    log_error("the device failed: %llu bad positions, %llu bad ids, %llu bad lengths; resetting it",
              (unsigned long long) (nic.receive.faults.positions + nic.transmit.faults.positions),
              (unsigned long long) (nic.receive.faults.ids + nic.transmit.faults.ids),
              (unsigned long long) (nic.receive.faults.lengths + nic.transmit.faults.lengths));
    log_counters();
    nsec_t now = clock_ns();
    recovery_delay = now - failed_at > RECOVERY_FORGOTTEN_NS ? RECOVERY_MIN_NS : recovery_delay * 2;
    recovery_delay = recovery_delay < RECOVERY_MAX_NS ? recovery_delay : RECOVERY_MAX_NS;
    failed_at = now;
    if (nic_stop(&nic) != OK) {
        log_error("the device does not answer");
    }
    timer_start(&recovery, recovery_delay, recover, nullptr);
}

static void recover(void *unused) {
    (void) unused;
    if (user == nullptr) {
        return; // the next client starts it
    }
    status_t status = nic_start(&nic);
    if (status != OK) {
        log_error("the device does not start: %s", status_name(status));
        fail();
        return;
    }
    tell_link(user);
    run_frames(nullptr);
}

// --- Frames ---

static status_t move_frames(struct client *client) {
    bool must_wake;
    status_t status = nic_run(&nic, &must_wake);
    if (must_wake || client->owes_wake) {
        wake(client);
    }
    if (status == PENDING) {
        timer_start(&again, 0, run_frames, nullptr);
    } else if (status == ERR_IO) {
        fail();
    }
    return status == ERR_MALFORMED ? ERR_MALFORMED : OK;
}

static void run_frames(void *unused) {
    (void) unused;
    if (user != nullptr && move_frames(user) != OK) {
        log_warn("the client broke the rules of the rings");
        if (channel_detach(client_channel(user)) != OK) {
            log_error("can't end its connection");
        }
    }
}

static void on_change(void) {
    bool was_up = nic.is_link_up;
    if (virtio_needs_reset(&nic.device) || nic_read_link(&nic) != OK) {
        fail();
    } else if (nic.is_link_up != was_up) {
        log_info("link %s", nic.is_link_up ? "up" : "down");
        tell_link(user);
    }
}

static void on_device(void *unused, uint32_t causes) {
    (void) unused;
    if ((causes & VIRTIO_CONFIG_CHANGED) != 0 && user != nullptr && nic.is_running) {
        on_change();
    }
    run_frames(nullptr);
}

// --- The client ---

static status_t ethernet_open(struct client *client, struct ethernet_open_reply *reply) {
    TRY(nic_stop(&nic));
    nic_forget_lent(&nic);
    frame_begin(&nic.end, (struct frame_region *) (void *) nic.region.memory, FRAME_DRIVER, 0);
    TRY(nic_start(&nic));
    handle_t region;
    TRY(handle_duplicate(nic.region.folio.handle, RIGHT_READ | RIGHT_WRITE | RIGHT_TRANSFER, &region));
    reply->region = (folio_t) {region};
    reply->mac = (bytes_t) {nic.mac, sizeof(nic.mac)};
    reply->mtu = nic.mtu;
    reply->offloads = nic.offloads;
    user = client;
    client->is_open = true;
    client->believes_in_link = true; // as the interface says
    tell_link(client);
    run_frames(nullptr); // goes to sleep, so that the first frame is announced
    return OK;
}

static status_t lend(folio_t folio, const struct ethernet_lend *request, uint8_t *out_number) {
    struct dma memory = {.folio = folio, .size = request->size};
    uint64_t size;
    TRY(folio_info(folio, &size));
    if (request->size == 0 || request->offset > size || request->size > size - request->offset) {
        return ERR_INVALID_ARGUMENT;
    }
    TRY(dma_pin(&card, folio, request->offset, &memory.address));
    status_t status = nic_lend(&nic, memory, out_number);
    if (status != OK) {
        dma_unpin(folio);
    }
    return status;
}

static status_t ethernet_lend(struct client *client, const struct ethernet_lend *request, struct ethernet_lend_reply *reply) {
    if (!client->is_open) {
        return ERR_STATE;
    }
    folio_t folio = folio_take(&request->folio);
    uint8_t number = 0;
    status_t status = lend(folio, request, &number);
    if (status != OK) {
        (void) handle_close(folio.handle);
    }
    reply->lent = number;
    return status;
}

static status_t ethernet_unlend(struct client *client, const struct ethernet_unlend *request) {
    return client->is_open ? nic_unlend(&nic, request->lent) : ERR_STATE;
}

static status_t ethernet_kick(struct client *client) {
    return client->is_open ? move_frames(client) : ERR_STATE;
}

static void on_disconnect(struct client *client) {
    if (client == user) {
        user = nullptr;
        timer_stop(&again);
        timer_stop(&recovery);
        log_counters();
        if (nic_stop(&nic) == OK) {
            nic_forget_lent(&nic);
        } else {
            log_error("the device does not answer"); // what was lent stays pinned: it may still read it
        }
    }
}

static void on_writable(struct client *client) {
    if (client->owes_wake) {
        wake(client);
    }
    if (client->is_open) {
        tell_link(client);
    }
}

static status_t start(void) {
    TRY(device_get(0, &card));
    TRY(virtio_open(&card, VIRTIO_NETWORK, &nic.device));
    TRY(nic_identify(&nic));
    TRY(dma_create(&card, 2 * virtqueue_bytes(NIC_QUEUE_SIZE), &nic.rings));
    TRY(dma_create(&card, sizeof(struct frame_region), &nic.region));
    const uint8_t *mac = nic.mac;
    log_info("%02x:%02x:%02x:%02x:%02x:%02x, MTU %u, link %s", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
             (unsigned) nic.mtu, nic.is_link_up ? "up" : "down");
    return virtio_listen(&nic.device, on_device, nullptr);
}

COMPONENT(virtio_net, .clients = 1, .start = start, .on_disconnect = on_disconnect, .on_writable = on_writable);
