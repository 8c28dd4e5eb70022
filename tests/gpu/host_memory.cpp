#include "gpu/host_memory.h"

#include <cuda_runtime_api.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>

namespace dvren::test {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{64} << 20, kStackBytes = std::size_t{256} << 20, kAlignment = 64;
constexpr std::size_t kClasses = 64;  // sizes are powers of two

// What the CUDA runtime itself asks of operator new meanwhile comes from malloc.
thread_local bool in_cuda = false;

void* Pinned(std::size_t bytes) {
  void* data = nullptr;
  in_cuda = true;
  const cudaError_t error = cudaHostAlloc(&data, bytes, cudaHostAllocMapped | cudaHostAllocPortable);
  in_cuda = false;
  if (error != cudaSuccess) {
    std::fprintf(stderr, "cudaHostAlloc of %zu bytes: %s\n", bytes, cudaGetErrorString(error));
    std::abort();
  }
  return data;
}

// Blocks of powers of two, cut from pinned chunks and kept in lists when they are freed. Before each block its size
// class, and whether it is pinned: what is from before BeginPinnedMemory is malloc's.
class Heap {
 public:
  void Begin() { begun_ = true; }
  void* Allocate(std::size_t bytes, std::size_t alignment) {
    const std::size_t wanted = bytes + kAlignment + (alignment > kAlignment ? alignment : 0);
    std::size_t of = 7;
    while ((std::size_t{1} << of) < wanted) ++of;
    const bool pinned = begun_ && !in_cuda;
    if (!pinned) return Place(std::aligned_alloc(kAlignment, std::size_t{1} << of), of, alignment, false);
    std::lock_guard<std::mutex> lock(mutex_);
    char* block = static_cast<char*>(free_[of]);
    if (block) {
      free_[of] = *reinterpret_cast<void**>(block);
    } else if ((std::size_t{1} << of) >= kChunkBytes) {
      block = static_cast<char*>(Pinned(std::size_t{1} << of));
    } else {
      if (left_ < (std::size_t{1} << of)) {
        chunk_ = static_cast<char*>(Pinned(kChunkBytes));
        left_ = kChunkBytes;
      }
      block = chunk_;
      chunk_ += std::size_t{1} << of;
      left_ -= std::size_t{1} << of;
    }
    return Place(block, of, alignment, true);
  }
  void Free(void* data) {
    const Header header = static_cast<Header*>(data)[-1];
    if (!header.pinned) {
      std::free(header.block);
      return;
    }
    std::lock_guard<std::mutex> lock(mutex_);
    *static_cast<void**>(header.block) = free_[header.of];
    free_[header.of] = header.block;
  }

 private:
  struct Header {
    void* block;
    std::size_t of;
    bool pinned;
  };
  static_assert(sizeof(Header) <= kAlignment);
  static void* Place(void* block, std::size_t of, std::size_t alignment, bool pinned) {
    if (!block) return nullptr;
    auto at = reinterpret_cast<std::uintptr_t>(block) + kAlignment;
    if (alignment > kAlignment) at = (at + alignment - 1) / alignment * alignment;
    reinterpret_cast<Header*>(at)[-1] = {block, of, pinned};
    return reinterpret_cast<void*>(at);
  }
  std::mutex mutex_;
  std::atomic<bool> begun_{false};
  std::array<void*, kClasses> free_{};  // guarded by mutex_
  char* chunk_ = nullptr;               // guarded by mutex_
  std::size_t left_ = 0;                // guarded by mutex_
};

Heap& TheHeap() {
  alignas(Heap) static unsigned char place[sizeof(Heap)];
  static Heap* heap = new (place) Heap;  // never destroyed: others free after main
  return *heap;
}

void* New(std::size_t bytes, std::size_t alignment) {
  void* data = TheHeap().Allocate(bytes ? bytes : 1, alignment);
  if (!data) throw std::bad_alloc();
  return data;
}

}  // namespace

void BeginPinnedMemory() {
  TheHeap().Begin();
}

void RunOnPinnedStack(const std::function<void()>& fn) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, Pinned(kStackBytes), kStackBytes);
  pthread_t thread;
  auto run = [](void* call) -> void* {
    (*static_cast<const std::function<void()>*>(call))();
    return nullptr;
  };
  if (pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&fn)) != 0) {
    std::fprintf(stderr, "pthread_create on a pinned stack failed\n");
    std::abort();
  }
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace dvren::test

void* operator new(std::size_t bytes) {
  return dvren::test::New(bytes, dvren::test::kAlignment);
}
void* operator new[](std::size_t bytes) {
  return dvren::test::New(bytes, dvren::test::kAlignment);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return dvren::test::New(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return dvren::test::New(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* data) noexcept {
  if (data) dvren::test::TheHeap().Free(data);
}
void operator delete[](void* data) noexcept {
  if (data) dvren::test::TheHeap().Free(data);
}
void operator delete(void* data, std::size_t) noexcept {
  if (data) dvren::test::TheHeap().Free(data);
}
void operator delete[](void* data, std::size_t) noexcept {
  if (data) dvren::test::TheHeap().Free(data);
}
void operator delete(void* data, std::align_val_t) noexcept {
  if (data) dvren::test::TheHeap().Free(data);
}
void operator delete[](void* data, std::align_val_t) noexcept {
  if (data) dvren::test::TheHeap().Free(data);
}
void operator delete(void* data, std::size_t, std::align_val_t) noexcept {
  if (data) dvren::test::TheHeap().Free(data);
}
void operator delete[](void* data, std::size_t, std::align_val_t) noexcept {
  if (data) dvren::test::TheHeap().Free(data);
}
