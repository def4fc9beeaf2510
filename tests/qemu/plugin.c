/* A TCG plugin for QEMU that counts guest instructions between two marker instructions.
 *
 *   qemu-system-arm ... -plugin ./count.so,out=FILE
 *
 * Each executed begin marker opens a window and each end marker closes it. At exit FILE begins with
 * two decimal numbers, "WINDOWS INSTRUCTIONS\n": the windows that were closed and the instructions
 * executed inside them, markers excluded. An empty window counts 0, three nops count 3.
 *
 * The firmware names the part of its work that comes next in a note: a note marker, as many ticks
 * as the part's number, a note marker. What is executed between the two is not counted. Part 0 is
 * what no note named; each window begins in it.
 *
 * A line follows for each part and for each address that was executed in a window:
 *
 *   part NUMBER INSTRUCTIONS
 *   at ADDRESS TIMES              (the address in hexadecimal)
 *
 * The markers are instructions that compilers never emit and that change nothing:
 *
 *            begin            end              note             tick
 *   Thumb    mov r10, r10     mov r11, r11     mov r9, r9       mov r12, r12
 *   RISC-V   slti x0, x0, 1   slti x0, x0, 2   slti x0, x0, 3   slti x0, x0, 4     (hints)
 *   AArch64  mov x10, x10     mov x11, x11     mov x9, x9       mov x12, x12
 *
 * Programs of 32-bit Arm have those of Thumb in the encoding of Arm.
 *
 * Distributions ship no header for plugins, so the prototypes used are declared here (API
 * version 1, QEMU 4.2 and later). Build: cc -shared -fPIC -O2 -o count.so plugin.c
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum cb_flags { CB_NO_REGS = 0 };
enum inline_op { INLINE_ADD_U64 = 0 };

/* The head of qemu_info_t is all that is read. */
struct info_head {
    const char *target_name;
    int versions[2];
    bool is_system; /* a whole machine, not a program */
};

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(
    plugin_id id, void (*callback)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(
    struct qemu_plugin_insn *insn, void (*callback)(unsigned, void *),
    enum cb_flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(
    struct qemu_plugin_insn *insn, enum inline_op op, void *counter, uint64_t value);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id, void *), void *data);

EXPORT int qemu_plugin_version = 1;

struct markers {
    size_t size;
    uint8_t begin[4], end[4], note[4], tick[4];
};

static const struct markers thumb = {2, {0xd2, 0x46}, {0xdb, 0x46}, {0xc9, 0x46}, {0xe4, 0x46}};
static const struct markers arm = {
    4,
    {0x0a, 0xa0, 0xa0, 0xe1},
    {0x0b, 0xb0, 0xa0, 0xe1},
    {0x09, 0x90, 0xa0, 0xe1},
    {0x0c, 0xc0, 0xa0, 0xe1},
};
static const struct markers riscv = {
    4,
    {0x13, 0x20, 0x10, 0x00},
    {0x13, 0x20, 0x20, 0x00},
    {0x13, 0x20, 0x30, 0x00},
    {0x13, 0x20, 0x40, 0x00},
};
static const struct markers aarch64 = {
    4,
    {0xea, 0x03, 0x0a, 0xaa},
    {0xeb, 0x03, 0x0b, 0xaa},
    {0xe9, 0x03, 0x09, 0xaa},
    {0xec, 0x03, 0x0c, 0xaa},
};

/* An address of the firmware's code. */
struct place {
    uint64_t address;
    uint64_t executed; /* how often so far */
    uint64_t resumed;  /* `executed` when counting was last resumed */
    uint64_t counted;  /* how often while it was */
    struct place *next;
};

enum { BUCKETS = 4096, PARTS = 4096 };

static const struct markers *markers;
static char out_path[4096];
static uint64_t executed;       /* all instructions so far but the markers */
static uint64_t resumed;        /* `executed` when counting was last resumed */
static uint64_t counted;        /* instructions counted */
static uint64_t windows;        /* closed windows */
static uint64_t parts[PARTS];   /* instructions counted in each part */
static size_t part;             /* the part that runs */
static size_t ticks;            /* of the note that is being taken */
static bool open, noting;       /* inside a window, inside a note */
static struct place *places[BUCKETS];

static void for_each_place(void (*act)(struct place *))
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct place *place = places[i]; place; place = place->next) {
            act(place);
        }
    }
}

static void resume_place(struct place *place)
{
    place->resumed = place->executed;
}

static void pause_place(struct place *place)
{
    place->counted += place->executed - place->resumed;
}

static void resume(void)
{
    resumed = executed;
    for_each_place(resume_place);
}

static void pause(void)
{
    counted += executed - resumed;
    parts[part] += executed - resumed;
    for_each_place(pause_place);
}

static void on_begin(unsigned vcpu, void *data)
{
    (void)vcpu, (void)data;
    open = true;
    part = 0;
    resume();
}

static void on_end(unsigned vcpu, void *data)
{
    (void)vcpu, (void)data;
    if (open) {
        open = false;
        windows += 1;
        pause();
    }
}

static void on_note(unsigned vcpu, void *data)
{
    (void)vcpu, (void)data;
    noting = open && !noting;
    if (noting) {
        pause();
        ticks = 0;
    } else if (open) {
        part = ticks;
        resume();
    }
}

static void on_tick(unsigned vcpu, void *data)
{
    (void)vcpu, (void)data;
    ticks += ticks < PARTS - 1;
}

/* The place of an address; it outlives the translation that it was first seen in. */
static struct place *place_of(uint64_t address)
{
    struct place **at = &places[address / 2 % BUCKETS];
    while (*at && (*at)->address != address) {
        at = &(*at)->next;
    }
    if (!*at) {
        *at = calloc(1, sizeof **at);
        if (!*at) {
            abort();
        }
        (*at)->address = address;
    }
    return *at;
}

/* Whether it begins with a marker's bytes. Before the last halfword of a page QEMU looks whether the next instruction crosses into the next
 * page, and gives what it looked at as bytes of this one; no longer instruction begins with a marker. */
static bool is(const struct qemu_plugin_insn *insn, const uint8_t *bytes)
{
    return qemu_plugin_insn_size(insn) >= markers->size
        && memcmp(qemu_plugin_insn_data(insn), bytes, markers->size) == 0;
}

static void call(struct qemu_plugin_insn *insn, void (*callback)(unsigned, void *))
{
    qemu_plugin_register_vcpu_insn_exec_cb(insn, callback, CB_NO_REGS, NULL);
}

static void count(struct qemu_plugin_insn *insn)
{
    qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &executed, 1);
    struct place *place = place_of(qemu_plugin_insn_vaddr(insn));
    qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &place->executed, 1);
}

static void instrument(struct qemu_plugin_insn *insn)
{
    if (is(insn, markers->begin)) {
        call(insn, on_begin);
    } else if (is(insn, markers->end)) {
        call(insn, on_end);
    } else if (is(insn, markers->note)) {
        call(insn, on_note);
    } else if (is(insn, markers->tick)) {
        call(insn, on_tick);
    } else {
        count(insn);
    }
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        instrument(qemu_plugin_tb_get_insn(tb, i));
    }
}

static void write_parts(FILE *out)
{
    for (size_t i = 0; i < PARTS; i++) {
        if (parts[i]) {
            fprintf(out, "part %zu %llu\n", i, (unsigned long long)parts[i]);
        }
    }
}

static void write_places(FILE *out)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (const struct place *place = places[i]; place; place = place->next) {
            if (place->counted) {
                fprintf(out, "at %llx %llu\n", (unsigned long long)place->address,
                        (unsigned long long)place->counted);
            }
        }
    }
}

static void at_end(plugin_id id, void *data)
{
    (void)id, (void)data;
    FILE *out = fopen(out_path, "w");
    if (out) {
        fprintf(out, "%llu %llu\n", (unsigned long long)windows, (unsigned long long)counted);
        write_parts(out);
        write_places(out);
        fclose(out);
    }
}

EXPORT int qemu_plugin_install(plugin_id id, const struct info_head *info, int argc, char **argv)
{
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || strlen(argv[0]) - 4 >= sizeof out_path) {
        fprintf(stderr, "count: give one argument, out=FILE\n");
        return 1;
    }
    strcpy(out_path, argv[0] + 4);
    if (strncmp(info->target_name, "riscv", 5) == 0) {
        markers = &riscv;
    } else if (strcmp(info->target_name, "aarch64") == 0) {
        markers = &aarch64;
    } else {
        markers = info->is_system ? &thumb : &arm;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, at_end, NULL);
    return 0;
}
