// Clang's thread-safety annotations; nothing under other compilers. Check with clang++ -Wthread-safety.
#pragma once

#if defined(__clang__)
#define DVREN_THREAD_ATTRIBUTE_(x) __attribute__((x))
#else
#define DVREN_THREAD_ATTRIBUTE_(x)
#endif

#define DVREN_CAPABILITY(name) DVREN_THREAD_ATTRIBUTE_(capability(name))
#define DVREN_SCOPED_CAPABILITY DVREN_THREAD_ATTRIBUTE_(scoped_lockable)
#define DVREN_GUARDED_BY(mutex) DVREN_THREAD_ATTRIBUTE_(guarded_by(mutex))
#define DVREN_REQUIRES(...) DVREN_THREAD_ATTRIBUTE_(requires_capability(__VA_ARGS__))
#define DVREN_EXCLUDES(...) DVREN_THREAD_ATTRIBUTE_(locks_excluded(__VA_ARGS__))
#define DVREN_ACQUIRE(...) DVREN_THREAD_ATTRIBUTE_(acquire_capability(__VA_ARGS__))
#define DVREN_RELEASE(...) DVREN_THREAD_ATTRIBUTE_(release_capability(__VA_ARGS__))
