/* A long path between two network namespaces, for kernels with and without netem: a TUN device in each, and this
 * process between them. What goes in on one side comes out on the other after a delay, no faster than a rate, as
 * segments would be on a wire; up to 256 MiB are on their way, what comes on top of it is lost.
 *   long_path NAMESPACE NAMESPACE DEVICE DELAY_MS MBIT_PER_S
 * Says `ready` when both devices are there; they go with it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKET = 65536 + sizeof(struct virtio_net_hdr), MOST = 256 << 20 };

struct packet {
    struct packet *next;
    double leaves;
    size_t size;
    char bytes[];
};

/* One direction. */
struct way {
    int from, to;
    double free_at;
    size_t held;
    struct packet *first, **last;
};

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static int device(const char *namespace, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int in = open(path, O_RDONLY);
    if (in < 0 || setns(in, CLONE_NEWNET))
        fail(path);
    close(in);
    /* It belongs to the namespace in which it was opened. */
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (tun < 0)
        fail("/dev/net/tun");
    /* With the header that lets a large piece stay one packet, as it does on a local wire. */
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (ioctl(tun, TUNSETIFF, &request) || ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4))
        fail("TUNSETIFF");
    return tun;
}

/* What a packet is on the wire: each segment of a large piece has a head of its own. */
static size_t on_the_wire(const struct packet *packet)
{
    const struct virtio_net_hdr *head = (const void *)packet->bytes;
    size_t size = packet->size - sizeof *head;
    if (head->gso_type == VIRTIO_NET_HDR_GSO_NONE || !head->gso_size)
        return size;
    /* The kernel's hdr_len is a hint. IPv4 and TCP with time stamps are 52 bytes. */
    size_t segments = (size - 52 + head->gso_size - 1) / head->gso_size;
    return size + (segments - 1) * 52;
}

static void take(struct way *way, double delay, double rate)
{
    static char bytes[PACKET];
    ssize_t got;
    while ((got = read(way->from, bytes, sizeof bytes)) > 0) {
        if (way->held > MOST)
            continue;
        struct packet *packet = malloc(sizeof *packet + got);
        if (!packet)
            fail("malloc");
        *packet = (struct packet){.size = got};
        memcpy(packet->bytes, bytes, got);
        double at = now();
        way->free_at = (way->free_at > at ? way->free_at : at) + on_the_wire(packet) * 8 / rate;
        packet->leaves = way->free_at + delay;
        way->held += got;
        *way->last = packet;
        way->last = &packet->next;
    }
}

/* Hands over what is due, and gives when the next will be. */
static double give(struct way *way)
{
    while (way->first) {
        struct packet *packet = way->first;
        if (packet->leaves > now())
            return packet->leaves;
        if (write(way->to, packet->bytes, packet->size) < 0)
            perror("a packet is lost");
        way->held -= packet->size;
        way->first = packet->next;
        if (!way->first)
            way->last = &way->first;
        free(packet);
    }
    return 1e18;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    double delay = atof(argv[4]) / 1e3, rate = atof(argv[5]) * 1e6;
    int near = device(argv[1], argv[3]), far = device(argv[2], argv[3]);
    struct way there = {near, far, 0, 0, NULL, &there.first}, back = {far, near, 0, 0, NULL, &back.first};
    puts("ready");
    fflush(stdout);
    struct pollfd ready[2] = {{near, POLLIN, 0}, {far, POLLIN, 0}};
    for (;;) {
        double one = give(&there), other = give(&back), next = (one < other ? one : other) - now();
        struct timespec wait = {0, next > 0 ? (next < 0.5 ? next : 0.5) * 1e9 : 0};
        if (ppoll(ready, 2, &wait, NULL) < 0)
            fail("ppoll");
        take(&there, delay, rate);
        take(&back, delay, rate);
    }
}
