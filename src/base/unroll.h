#pragma once

// How loops become device code. A kernel whose parts run once in turn wants short code, as instructions come through a
// cache too; one that runs the same few loops wants them unrolled. The CPU's compilers choose for themselves.

#if defined(__CUDA_ARCH__)
#define LPLB_UNROLL _Pragma("unroll")
#define LPLB_ROLL _Pragma("unroll 1")
#define LPLB_UNROLL_BY_4 _Pragma("unroll 4")
#else
#define LPLB_UNROLL
#define LPLB_ROLL
#define LPLB_UNROLL_BY_4
#endif
