/* How many pixels have one segment id in one map and another id in a second map.
 *
 * Compiled by hatch_build.py where a C compiler is at hand; joint_count.py calls it, and does the same with numpy where it
 * is absent. Machines store the least byte first, or joint_count.py does not load this.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum { BLOCK = 8, LANES = 4, MAX_ID = 0xFFFFFF };
enum { UNNAMED = 1, OUTSIDE = 2 }; /* what joint_count_2 says */

/* The first `step` bytes of a pixel: 4 for an int32, 3 for a colour, where the byte behind it is read and masked. */
INLINE uint32_t pixel(const uint8_t *at, size_t step) {
    uint32_t value;
    memcpy(&value, at, 4);
    return step == 4 ? value : value & MAX_ID;
}

INLINE uint32_t last_pixel(const uint8_t *at, size_t step) {
    uint32_t value = 0;
    memcpy(&value, at, step);
    return value;
}

/* Whether BLOCK pixels from here on are all like the one before them. */
INLINE int all_as_before(const uint8_t *at, size_t step) {
    uint64_t different = 0;
    for (size_t word = 0; word < step; word++) { /* BLOCK pixels of `step` bytes are `step` words of 8 bytes */
        uint64_t here, before;
        memcpy(&here, at + 8 * word, 8);
        memcpy(&before, at + 8 * word - step, 8);
        different |= here ^ before;
    }
    return !different;
}

/* One of the two maps. A step that the compiler knows is worth a factor of two, so it is no part of this. */
typedef struct {
    const uint8_t *pixels;
    int32_t *table; /* what each id in 0..2^24-1 adds to the code of a pixel */
} map;

INLINE uint32_t count(map a, size_t step_a, map b, size_t step_b, size_t pixels, int64_t *sums, size_t size) {
    uint32_t outside = 0;
    size_t i = 0, row = 0, column = 0;
    if (pixels > 1) {
        const uint32_t x = pixel(a.pixels, step_a), y = pixel(b.pixels, step_b);
        outside |= x | y;
        row = a.table[x & MAX_ID];
        column = b.table[y & MAX_ID];
        sums[row + column]++;
        i = 1;
    }
    /* A block of equal pixels is one addition. Any other is counted pixel by pixel without a branch, which noise would
     * make the processor guess wrong; the truth seldom has any, and where it has not, half of the work is saved. Four
     * places take turns, since neighbours often have the same code, and adding to the same place again waits for the last
     * sum. */
    for (; i + BLOCK < pixels; i += BLOCK) {
        const uint8_t *p = a.pixels + i * step_a, *q = b.pixels + i * step_b;
        if (all_as_before(p, step_a)) {
            if (all_as_before(q, step_b)) {
                sums[row + column] += BLOCK;
                continue;
            }
            UNROLL for (size_t k = 0; k < BLOCK; k++) {
                const uint32_t y = pixel(q + k * step_b, step_b);
                if (step_b == 4) /* a colour cannot be outside */
                    outside |= y;
                column = b.table[y & MAX_ID];
                sums[k % LANES * size + row + column]++;
            }
            continue;
        }
        UNROLL for (size_t k = 0; k < BLOCK; k++) {
            const uint32_t x = pixel(p + k * step_a, step_a), y = pixel(q + k * step_b, step_b);
            if (step_a == 4)
                outside |= x;
            if (step_b == 4)
                outside |= y;
            row = a.table[x & MAX_ID];
            column = b.table[y & MAX_ID];
            sums[k % LANES * size + row + column]++;
        }
    }
    for (; i < pixels; i++) {
        const uint32_t x = last_pixel(a.pixels + i * step_a, step_a), y = last_pixel(b.pixels + i * step_b, step_b);
        outside |= x | y;
        sums[a.table[x & MAX_ID] + b.table[y & MAX_ID]]++;
    }
    return outside >> 24;
}

/* Pixels of void have code `step`, those with id ids[i] (i + 2) * step; ids that are not among these have code 0. */
static void set_table(int32_t *table, const int32_t *ids, size_t count, size_t step) {
    table[0] = (int32_t)step;
    for (size_t i = 0; i < count; i++)
        table[ids[i]] = (int32_t)((i + 2) * step);
}

static void clear_table(int32_t *table, const int32_t *ids, size_t count) {
    table[0] = 0;
    for (size_t i = 0; i < count; i++)
        table[ids[i]] = 0;
}

static int any_outside(const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || ids[i] > MAX_ID)
            return 1;
    return 0;
}

/* Whether `count` sums, each `step` from the one before, are all 0. */
static int all_zero(const int64_t *from, size_t count, size_t step) {
    for (size_t i = 0; i < count; i++)
        if (from[i * step])
            return 0;
    return 1;
}

/* Whether no pixel has an id that is not named, and each id named has a pixel. */
static int all_named(const int64_t *sums, size_t rows, size_t columns) {
    if (!all_zero(sums, columns, 1) || !all_zero(sums, rows, columns))
        return 0;
    for (size_t row = 2; row < rows; row++)
        if (all_zero(sums + row * columns, columns, 1))
            return 0;
    for (size_t column = 2; column < columns; column++)
        if (all_zero(sums + column, rows, columns))
            return 0;
    return 1;
}

/* a, b: `pixels` pixels of step_a and step_b bytes, each 3 or 4.
 * ids_a, ids_b: the ids to count.
 * table_a, table_b: 2^24 zeros each, which are zeros again in the end.
 * sums: [LANES, 2 + count_a, 2 + count_b] zeros; in the end its first lane has the sums, the rest is of no use. Row and
 * column 0 are for pixels whose id is not named, 1 for void.
 * Returns OUTSIDE when an id is negative or above 2^24-1, and the sums are of no use; UNNAMED when a pixel has an id that
 * is not named, or no pixel has an id that is; else 0. */
uint32_t joint_count_2(const uint8_t *a, size_t step_a, int32_t *table_a, const int32_t *ids_a, size_t count_a,
                       const uint8_t *b, size_t step_b, int32_t *table_b, const int32_t *ids_b, size_t count_b,
                       size_t pixels, int64_t *sums) {
    const size_t rows = count_a + 2, columns = count_b + 2, size = rows * columns;
    const map first = {a, table_a}, second = {b, table_b};
    uint32_t outside;
    if (any_outside(ids_a, count_a) || any_outside(ids_b, count_b))
        return OUTSIDE;
    set_table(table_a, ids_a, count_a, columns);
    set_table(table_b, ids_b, count_b, 1);
    if (step_a == 3)
        outside = step_b == 3 ? count(first, 3, second, 3, pixels, sums, size)
                              : count(first, 3, second, 4, pixels, sums, size);
    else
        outside = step_b == 3 ? count(first, 4, second, 3, pixels, sums, size)
                              : count(first, 4, second, 4, pixels, sums, size);
    clear_table(table_a, ids_a, count_a);
    clear_table(table_b, ids_b, count_b);
    if (outside)
        return OUTSIDE;
    for (size_t lane = 1; lane < LANES; lane++)
        for (size_t code = 0; code < size; code++)
            sums[code] += sums[lane * size + code];
    return all_named(sums, rows, columns) ? 0 : UNNAMED;
}
