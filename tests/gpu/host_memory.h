// Host memory that a GPU can reach: the tests of hotpath keep their tensors in vectors and on the stack, which for a
// CUDA context must be device memory. Here operator new takes pinned, mapped memory, and the tests run on a pinned
// stack.
#pragma once

#include <functional>

namespace dvren::test {

// From here on operator new hands out pinned memory. Call once, before other threads are.
void BeginPinnedMemory();
// Runs `fn` on a thread whose stack is pinned.
void RunOnPinnedStack(const std::function<void()>& fn);

}  // namespace dvren::test
