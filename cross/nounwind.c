/* In the place of libunwind: vrrpd aborts on a panic and is stripped, so there is no stack to walk and no
 * name to print. Saves about 30 KB. Only the functions that Rust's backtrace asks for. */

enum { END_OF_STACK = 5, NO_REGISTER = 1 };

int _Unwind_Backtrace(void *visit, void *data)
{
	(void)visit, (void)data;
	return END_OF_STACK;
}

int _Unwind_VRS_Get(void *context, int class, unsigned number, int representation, void *value)
{
	(void)context, (void)class, (void)number, (void)representation, (void)value;
	return NO_REGISTER;
}

unsigned long _Unwind_GetIP(void *context)
{
	(void)context;
	return 0;
}

unsigned long _Unwind_GetIPInfo(void *context, int *before)
{
	(void)context;
	if (before)
		*before = 0;
	return 0;
}

unsigned long _Unwind_GetCFA(void *context)
{
	(void)context;
	return 0;
}

void *_Unwind_FindEnclosingFunction(void *address)
{
	return address;
}
