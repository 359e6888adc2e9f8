/* A stand-in for libnvidia-ml.so.1: it says what the file STATE says, one card a line,
   index uuid minor gi ci fault ecc pid
   where gi is -1 for a whole card; fault is ok, lost, pending or shy (it does not tell its memory and errors); pid 0 is nobody.  A file that begins with ! is an error of the whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int index, minor, gi, ci; char uuid[96], fault[16]; unsigned long long ecc; unsigned pid; } Card;
typedef struct { char legacy[16]; unsigned numbers[5]; char bus_id[32]; } Pci;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned pid; unsigned long long used; unsigned instances[2]; } Process;
static Card cards[16];
static int n;

int nvmlInit_v2(void) {
    FILE *file = fopen(STATE, "r");
    int code;
    if (!file) return 9;
    if (fscanf(file, "!%d", &code) == 1) return code;
    for (n = 0; n < 16; n++) {
        Card *c = cards + n;
        if (fscanf(file, "%d %95s %d %d %d %15s %llu %u", &c->index, c->uuid, &c->minor, &c->gi, &c->ci, c->fault, &c->ecc, &c->pid) != 8) break;
    }
    fclose(file);
    return 0;
}
const char *nvmlErrorString(int code) {
    return code == 18 ? "Driver/library version mismatch" : code == 15 ? "GPU is lost" : code == 9 ? "Driver Not Loaded" : "another error";
}
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "570.00"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = 0;
    for (int i = 0; i < n; i++) if ((unsigned)cards[i].index + 1 > *count) *count = cards[i].index + 1;
    return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card **card) {
    for (int i = 0; i < n; i++)
        if (cards[i].index == (int)index) { *card = cards + i; return strcmp(cards[i].fault, "lost") ? 0 : 15; }
    return 6;
}
int nvmlDeviceGetUUID(Card *card, char *text, unsigned size) { snprintf(text, size, "%s", card->uuid); return 0; }
int nvmlDeviceGetMinorNumber(Card *card, unsigned *minor) { *minor = card->minor; return 0; }
int nvmlDeviceGetName(Card *card, char *text, unsigned size) { snprintf(text, size, "Stand-in %d", card->index); return 0; }
int nvmlDeviceGetPciInfo_v3(Card *card, Pci *pci) { snprintf(pci->bus_id, 32, "00000000:%02X:00.0", card->index + 1); return 0; }
int nvmlDeviceGetMemoryInfo(Card *card, Memory *memory) {
    if (!strcmp(card->fault, "shy")) return 3;
    memory->total = 80ull << 30; memory->used = 1ull << 20; memory->free = memory->total - memory->used;
    return 0;
}
int nvmlDeviceGetApplicationsClock(Card *card, unsigned which, unsigned *mhz) {
    *mhz = which == 2 ? 2619 : 1500;
    return strcmp(card->fault, "shy") ? 0 : 26;
}
int nvmlDeviceGetMaxClockInfo(Card *card, unsigned which, unsigned *mhz) { (void)card; *mhz = which == 2 ? 2619 : 1980; return 0; }
int nvmlDeviceGetRetiredPagesPendingStatus(Card *card, unsigned *pending) { (void)card; (void)pending; return 3; }
int nvmlDeviceGetRemappedRows(Card *card, unsigned *a, unsigned *b, unsigned *pending, unsigned *failed) {
    *a = *b = *failed = 0;
    *pending = !strcmp(card->fault, "pending");
    return 0;
}
int nvmlDeviceGetTotalEccErrors(Card *card, int kind, int counter, unsigned long long *count) {
    if (kind != 1 || counter != 0) return 99;
    if (!strcmp(card->fault, "shy")) return 4;
    *count = card->ecc;
    return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Card *card, unsigned *count, Process *found) {
    *count = card->pid ? 1 : 0;
    if (card->pid) { found[0].pid = card->pid; found[0].used = 30ull << 30; found[0].instances[0] = found[0].instances[1] = ~0u; }
    return 0;
}
int nvmlDeviceGetMigMode(Card *card, unsigned *current, unsigned *pending) { *current = *pending = card->gi >= 0; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(Card *card, unsigned *count) { (void)card; *count = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(Card *card, unsigned number, Card **part) {
    for (int i = 0; i < n; i++)
        if (cards[i].index == card->index && number-- == 0) { *part = cards + i; return 0; }
    return 6;
}
int nvmlDeviceGetGpuInstanceId(Card *part, unsigned *id) { *id = part->gi; return 0; }
int nvmlDeviceGetComputeInstanceId(Card *part, unsigned *id) { *id = part->ci; return 0; }
