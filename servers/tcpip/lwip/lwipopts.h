// How lwIP is built: what is in it, how much it may use, and where it meets the component.
#pragma once

#include <stddef.h>
#include <stdint.h>

// --- Surroundings: one thread, our own timers (clocks.c) and memory (heap.c) ---

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TIMERS 1
#define LWIP_TIMERS_CUSTOM 1

void *heap_allocate(size_t size);
void *heap_allocate_zeroed(size_t count, size_t size);
void heap_free(void *memory);
#define MEM_ALIGNMENT 8
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC heap_allocate
#define MEM_CUSTOM_CALLOC heap_allocate_zeroed
#define MEM_CUSTOM_FREE heap_free
#define MEMP_MEM_MALLOC 1

// --- One Ethernet interface with IPv4 ---

#define LWIP_SINGLE_NETIF 1
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_HWADDRHINT 1        // tells link.c whose packet it sends
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1 // offload.c
#define LWIP_INLINE_IP_CHKSUM 1
#define LWIP_ARP 1
#define ARP_TABLE_SIZE 32
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 16
// What waits for an answer outlives its connection, and with that the windows of folios: a copy unless the data is its own.
#define PBUF_NEEDS_COPY(packet) (((packet)->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) == 0)
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define IP_REASSEMBLY 0 // fragments are dropped and counted: TCP never makes them, and they are mostly used for attacks
#define IP_FRAG 0
#define IP_OPTIONS_ALLOWED 1
#define IP_FORWARD 0
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_UDP 1
#define LWIP_DHCP 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_DHCP_DOES_ACD_CHECK 0 // costs seconds at boot
#define LWIP_ACD 0

uint16_t resolve_server_port(void);
#define LWIP_DNS 1
#define DNS_TABLE_SIZE 16
#define DNS_MAX_SERVERS 1
#define DNS_SERVER_PORT resolve_server_port()

// --- TCP ---

#define LWIP_TCP 1
#define TCP_MSS 1460
#define TCP_WND (32 * 1024)
#define LWIP_WND_SCALE 1 // for the remote end's window; ours needs none
#define TCP_RCV_SCALE 0
#define TCP_SND_BUF (128 * 1024)
#define TCP_SNDLOWAT 0 // of no use to us, and its default is too large for lwIP
#define TCP_SND_QUEUELEN 256
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 16
#define LWIP_TCP_SACK_OUT 1
#define TCP_LISTEN_BACKLOG 1
#define SO_REUSE 1             // a server that was restarted listens again while old connections end
#define LWIP_TCP_RTO_TIME 1000 // RFC 6298 §2.1
#define TCP_MAXRTX 8
#define TCP_SYNMAXRTX 4
#define TCP_MSL 10000
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1 // tcp_segment.c
#define TCP_OVERSIZE 0              // writes go out at once, or are large

struct pbuf;
struct tcp_pcb;
struct tcp_hdr;
int port_prepare(const struct pbuf *packet);
int port_admit(struct tcp_pcb *pcb, const struct tcp_hdr *header);
#define LWIP_HOOK_IP4_INPUT(packet, netif) port_prepare(packet)
#define LWIP_HOOK_TCP_ISN(local_address, local_port, remote_address, remote_port) port_random()
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, options_size, first_size, second, packet) port_admit(pcb, header)

// --- Counters for network.status ---

#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1
#define LINK_STATS 0
#define ETHARP_STATS 1
#define IPFRAG_STATS 0
#define MEM_STATS 0
#define MEMP_STATS 0
