/* Sixty-four cells of a column at once (Myers 1999, in blocks: Hyyro 2003). */
#include <stdint.h>
#include <stdlib.h>

int distance(const char *a, int n, const char *b, int m)
{
    int blocks = (n + 63) / 64;
    uint64_t *where = calloc(26 * (size_t)blocks, 8), *up = malloc(8 * blocks), *down = calloc(blocks, 8);
    for (int i = 0; i < n; i++)
        where[(size_t)(a[i] - 'a') * blocks + i / 64] |= 1ULL << i % 64;
    for (int k = 0; k < blocks; k++)
        up[k] = ~0ULL;
    int score = n, last = (n - 1) % 64;
    for (int j = 0; j < m; j++) {
        const uint64_t *equals = where + (size_t)(b[j] - 'a') * blocks;
        uint64_t right_in = 1, left_in = 0;
        for (int k = 0; k < blocks; k++) {
            uint64_t p = up[k], q = down[k], e = equals[k];
            uint64_t x = e | q, y = e | left_in;
            uint64_t d = (((y & p) + p) ^ p) | y;
            uint64_t right = q | ~(d | p), left = p & d;
            if (k == blocks - 1)
                score += (int)(right >> last & 1) - (int)(left >> last & 1);
            uint64_t right_out = right >> 63, left_out = left >> 63;
            right = right << 1 | right_in;
            left = left << 1 | left_in;
            up[k] = left | ~(x | right);
            down[k] = right & x;
            right_in = right_out;
            left_in = left_out;
        }
    }
    free(where);
    free(up);
    free(down);
    return score;
}
