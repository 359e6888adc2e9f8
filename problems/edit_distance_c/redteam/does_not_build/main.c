int distance(const char *a, int n, const char *b, int m)
{
    return a +;
}
