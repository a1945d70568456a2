/*
 * delay MS: makes a router that holds every packet it forwards for MS milliseconds. It stands in for the kernel's netem, which not
 * every kernel has. The kernel's own forwarding is off while it runs; SIGTERM turns it on again.
 *
 * IPv4 packets addressed to this machine's link but to none of its addresses are read from a packet socket, kept in a ring in order of
 * arrival, and sent by a raw socket, which routes them anew. Senders leave checksums to hardware that is not there: they are filled in.
 * Packets must not exceed the link's size: the host's end of each link is told to segment (network.ts).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { packet_bytes_max = 2048, ring_packets = 16384, addresses_max = 16, ms_max = 2000 };

struct packet {
  double due_ms;
  size_t bytes;
  unsigned char data[packet_bytes_max];
};

static struct packet ring[ring_packets];
static size_t ring_first, ring_count;
static uint32_t own[addresses_max];
static int own_count;

static void forwarding(char digit) {
  FILE *file = fopen("/proc/sys/net/ipv4/ip_forward", "w");
  if (!file) return;
  fputc(digit, file);
  fclose(file);
}

static void on_term(int signal_number) {
  (void)signal_number;
  forwarding('1');
  _exit(0);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000.0 + now.tv_nsec / 1e6;
}

static void note_own_addresses(void) {
  struct ifaddrs *all;
  if (getifaddrs(&all) != 0) return;
  for (struct ifaddrs *each = all; each && own_count < addresses_max; each = each->ifa_next)
    if (each->ifa_addr && each->ifa_addr->sa_family == AF_INET)
      own[own_count++] = ((struct sockaddr_in *)each->ifa_addr)->sin_addr.s_addr;
  freeifaddrs(all);
}

static int is_own(uint32_t address) {
  for (int i = 0; i < own_count; i++)
    if (own[i] == address) return 1;
  return 0;
}

static uint32_t sum(const unsigned char *data, size_t bytes, uint32_t so_far) {
  for (size_t i = 0; i + 1 < bytes; i += 2) so_far += (uint32_t)(data[i] << 8 | data[i + 1]);
  if (bytes % 2) so_far += (uint32_t)(data[bytes - 1] << 8);
  return so_far;
}

/* Fills in the checksum of a TCP or UDP packet; fragments are left as they are. */
static void fill_checksum(struct iphdr *ip, unsigned char *packet, size_t bytes) {
  size_t head = ip->ihl * 4u;
  size_t offset = ip->protocol == IPPROTO_TCP ? 16 : ip->protocol == IPPROTO_UDP ? 6 : 0;
  if (!offset || (ntohs(ip->frag_off) & 0x3fff) || bytes < head + offset + 2) return;
  unsigned char *field = packet + head + offset;
  field[0] = field[1] = 0;
  uint32_t total = sum((unsigned char *)&ip->saddr, 8, ip->protocol + (uint32_t)(bytes - head));
  total = sum(packet + head, bytes - head, total);
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  uint16_t result = (uint16_t)~total;
  if (!result && ip->protocol == IPPROTO_UDP) result = 0xffff;
  field[0] = (unsigned char)(result >> 8);
  field[1] = (unsigned char)result;
}

/* Takes in what is there; a full ring drops, as a router does. */
static void receive(int socket_in, double delay_ms) {
  for (;;) {
    unsigned char data[packet_bytes_max];
    struct sockaddr_ll from;
    socklen_t from_bytes = sizeof from;
    ssize_t got = recvfrom(socket_in, data, sizeof data, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_bytes);
    if (got < 0) return;
    struct iphdr *ip = (struct iphdr *)data;
    if ((size_t)got > sizeof data || (size_t)got < sizeof *ip || from.sll_pkttype != PACKET_HOST) continue;
    size_t bytes = ntohs(ip->tot_len);
    if (bytes > (size_t)got || ip->ihl < 5 || IN_MULTICAST(ntohl(ip->daddr)) || is_own(ip->daddr)) continue;
    if (ip->ttl <= 1 || ring_count == ring_packets) continue;
    ip->ttl--;
    fill_checksum(ip, data, bytes);
    struct packet *slot = &ring[(ring_first + ring_count++) % ring_packets];
    slot->due_ms = now_ms() + delay_ms;
    slot->bytes = bytes;
    memcpy(slot->data, data, bytes);
  }
}

static void send_due(int socket_out) {
  while (ring_count && ring[ring_first].due_ms <= now_ms()) {
    struct packet *slot = &ring[ring_first];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = ((struct iphdr *)slot->data)->daddr};
    if (sendto(socket_out, slot->data, slot->bytes, 0, (struct sockaddr *)&to, sizeof to) < 0 && errno != EHOSTUNREACH)
      perror("delay: sendto");
    ring_first = (ring_first + 1) % ring_packets;
    ring_count--;
  }
}

int main(int argc, char **argv) {
  long delay_ms = argc > 1 ? atol(argv[1]) : 0;
  if (delay_ms < 1 || delay_ms > ms_max) {
    fprintf(stderr, "usage: delay MS (1 to %d)\n", ms_max);
    return 64;
  }
  int socket_in = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
  int socket_out = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (socket_in < 0 || socket_out < 0) {
    perror("delay: socket");
    return 1;
  }
  int buffer_bytes = 16 * 1024 * 1024;
  setsockopt(socket_in, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
  note_own_addresses();
  signal(SIGTERM, on_term);
  forwarding('0');
  for (;;) {
    double wait_ms = ring_count ? ring[ring_first].due_ms - now_ms() : 1000;
    if (wait_ms < 0) wait_ms = 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_ms / 1000), .tv_nsec = (long)((wait_ms - (long)(wait_ms / 1000) * 1000) * 1e6)};
    struct pollfd in = {.fd = socket_in, .events = POLLIN};
    ppoll(&in, 1, &wait, NULL);
    receive(socket_in, (double)delay_ms);
    send_due(socket_out);
  }
}
