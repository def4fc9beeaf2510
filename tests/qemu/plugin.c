/* A TCG plugin for QEMU that counts guest instructions between two marker instructions.
 *
 *   qemu-system-arm ... -plugin ./count.so,out=FILE
 *
 * Each executed begin marker opens a window and each end marker closes it. At exit FILE holds two
 * decimal numbers, "WINDOWS INSTRUCTIONS\n": the windows that were closed and the instructions
 * executed inside them, markers excluded. An empty window counts 0, three nops count 3.
 *
 * The markers are instructions that compilers never emit and that change nothing:
 *
 *            begin              end
 *   Thumb    mov r10, r10       mov r11, r11
 *   RISC-V   slti x0, x0, 1     slti x0, x0, 2     (hints)
 *
 * Distributions ship no header for plugins, so the prototypes used are declared here (API
 * version 1, QEMU 4.2 and later). Build: cc -shared -fPIC -O2 -o count.so plugin.c
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
};

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(
    plugin_id id, void (*callback)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(
    struct qemu_plugin_insn *insn, void (*callback)(unsigned, void *),
    enum cb_flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(
    struct qemu_plugin_insn *insn, enum inline_op op, void *counter, uint64_t value);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id, void *), void *data);

EXPORT int qemu_plugin_version = 1;

struct marker {
    size_t size;
    uint8_t begin[4], end[4];
};

static const struct marker thumb = {2, {0xd2, 0x46}, {0xdb, 0x46}};
static const struct marker riscv = {4, {0x13, 0x20, 0x10, 0x00}, {0x13, 0x20, 0x20, 0x00}};

static const struct marker *marker;
static char out_path[4096];
static uint64_t executed;   /* all instructions so far but the markers */
static uint64_t opened_at;  /* `executed` at the begin marker */
static uint64_t counted;    /* instructions in closed windows */
static uint64_t windows;    /* closed windows */
static bool open;

static void on_begin(unsigned vcpu, void *data)
{
    (void)vcpu, (void)data;
    open = true;
    opened_at = executed;
}

static void on_end(unsigned vcpu, void *data)
{
    (void)vcpu, (void)data;
    if (open) {
        open = false;
        counted += executed - opened_at;
        windows += 1;
    }
}

static bool is(const struct qemu_plugin_insn *insn, const uint8_t *bytes)
{
    return qemu_plugin_insn_size(insn) == marker->size
        && memcmp(qemu_plugin_insn_data(insn), bytes, marker->size) == 0;
}

static void instrument(struct qemu_plugin_insn *insn)
{
    if (is(insn, marker->begin)) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_begin, CB_NO_REGS, NULL);
    } else if (is(insn, marker->end)) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_end, CB_NO_REGS, NULL);
    } else {
        qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, &executed, 1);
    }
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        instrument(qemu_plugin_tb_get_insn(tb, i));
    }
}

static void on_exit(plugin_id id, void *data)
{
    (void)id, (void)data;
    FILE *out = fopen(out_path, "w");
    if (out) {
        fprintf(out, "%llu %llu\n", (unsigned long long)windows, (unsigned long long)counted);
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
    marker = strncmp(info->target_name, "riscv", 5) == 0 ? &riscv : &thumb;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_exit, NULL);
    return 0;
}
