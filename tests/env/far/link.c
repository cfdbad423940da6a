/* A long line between two network namespaces: each packet arrives DELAY after its last bit was sent, at a RATE.
 *   link NAMESPACE NAMESPACE DELAY_MS MBIT_PER_S
 * Makes a TUN device `far0` in each (the caller gives it an address) and carries packets between them until it
 * is killed; says `ready` when both are there. What would wait longer than QUEUE_MS for the line is dropped, as
 * a router drops it. Segments come and go unsplit (IFF_VNET_HDR), so that two cores can carry a gigabit. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MS 100
#define PACKETS (1 << 17) /* in one direction at most; a gigabit has 12,500 of 1,500 bytes in 150 ms */
#define LARGEST (65536 + 64)

struct packet {
    int64_t due;
    size_t size;
    char *bytes;
};

struct direction {
    int from, to;
    int64_t free_at; /* when the line has sent what it has */
    unsigned head, tail;
    struct packet queue[PACKETS];
};

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Opens `far0` in a namespace. */
static int device(const char *namespace)
{
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET)) fail(path);
    close(ns);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) fail("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    strcpy(request.ifr_name, "far0");
    if (ioctl(fd, TUNSETIFF, &request)) fail("TUNSETIFF");
    if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)) fail("TUNSETOFFLOAD");
    return fd;
}

/* What a packet is on the wire: each segment of a large piece has a head of its own. */
static size_t on_the_wire(const char *bytes, size_t size)
{
    const struct virtio_net_hdr *head = (const void *)bytes;
    size -= sizeof *head;
    if (head->gso_type == VIRTIO_NET_HDR_GSO_NONE || !head->gso_size) return size;
    /* The kernel's hdr_len is a hint. IPv4 and TCP with time stamps are 52 bytes. */
    size_t segments = (size - 52 + head->gso_size - 1) / head->gso_size;
    return size + (segments - 1) * 52;
}

/* Takes what has been sent onto the line. */
static void take(struct direction *line, int64_t delay, double ns_per_byte)
{
    static char bytes[LARGEST];
    ssize_t size;
    while ((size = read(line->from, bytes, sizeof bytes)) > 0) {
        int64_t now = now_ns(), start = line->free_at > now ? line->free_at : now;
        unsigned next = (line->tail + 1) % PACKETS;
        if (start - now > QUEUE_MS * 1000000LL || next == line->head) continue;
        line->free_at = start + (int64_t)(on_the_wire(bytes, size) * ns_per_byte);
        struct packet *packet = &line->queue[line->tail];
        if (!(packet->bytes = malloc(size))) fail("malloc");
        memcpy(packet->bytes, bytes, size);
        packet->size = size;
        packet->due = line->free_at + delay;
        line->tail = next;
    }
    if (size < 0 && errno != EAGAIN && errno != EIO) fail("read");
}

/* Hands over what has arrived; when the next does, or 0. */
static int64_t give(struct direction *line)
{
    while (line->head != line->tail) {
        struct packet *packet = &line->queue[line->head];
        if (packet->due > now_ns()) return packet->due;
        /* A device that is down, or a full one, loses the packet, as everywhere. */
        if (write(line->to, packet->bytes, packet->size) < 0 && errno != EIO && errno != EAGAIN && errno != EINVAL)
            fail("write");
        free(packet->bytes);
        line->head = (line->head + 1) % PACKETS;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) return fprintf(stderr, "usage: link NAMESPACE NAMESPACE DELAY_MS MBIT_PER_S\n"), 2;
    int64_t delay = atoll(argv[3]) * 1000000;
    double ns_per_byte = 8000.0 / atof(argv[4]);
    static struct direction lines[2];
    lines[0].from = lines[1].to = device(argv[1]);
    lines[1].from = lines[0].to = device(argv[2]);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int64_t wake = 0;
        for (int i = 0; i < 2; i++) {
            take(&lines[i], delay, ns_per_byte);
            int64_t due = give(&lines[i]);
            if (due && (!wake || due < wake)) wake = due;
        }
        int64_t left = wake ? wake - now_ns() : 0;
        if (left < 0) left = 0;
        struct timespec wait = {left / 1000000000, left % 1000000000};
        struct pollfd ends[2] = {{lines[0].from, POLLIN, 0}, {lines[1].from, POLLIN, 0}};
        if (ppoll(ends, 2, wake ? &wait : NULL, NULL) < 0 && errno != EINTR) fail("ppoll");
    }
}
