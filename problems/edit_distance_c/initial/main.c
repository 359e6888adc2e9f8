/* Levenshtein's distance, one row of the table at a time. */
#include <stdlib.h>

/* How many letters must be put in, taken out or changed to make b of a. */
int distance(const char *a, int n, const char *b, int m)
{
    int *row = malloc((m + 1) * sizeof(int));
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int before = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int change = before + (a[i - 1] != b[j - 1]);
            int least = row[j] + 1;
            before = row[j];
            if (row[j - 1] + 1 < least)
                least = row[j - 1] + 1;
            if (change < least)
                least = change;
            row[j] = least;
        }
    }
    int found = row[m];
    free(row);
    return found;
}
