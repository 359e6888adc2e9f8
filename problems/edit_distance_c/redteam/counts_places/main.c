/* Counts the places that differ: never less than the answer, and seldom it. */
int distance(const char *a, int n, const char *b, int m)
{
    int differ = 0;
    for (int i = 0; i < n && i < m; i++)
        differ += a[i] != b[i];
    return differ;
}
