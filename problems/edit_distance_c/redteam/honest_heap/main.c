/* Levenshtein's distance, a row on the heap. */
#include <stdlib.h>

int distance(const char *a, int n, const char *b, int m)
{
    int *row = malloc((m + 1) * sizeof *row);
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int change = corner + (a[i - 1] != b[j - 1]);
            int best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            corner = row[j];
            row[j] = best < change ? best : change;
        }
    }
    int found = row[m];
    free(row);
    return found;
}
