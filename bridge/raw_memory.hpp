// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

#include <sys/mman.h>

namespace vivarium::bridge {

/// From this size on huge pages are worth asking for.
inline constexpr std::size_t huge_page_bytes = 2u << 20;

/// Has large memory that was not written to yet come in huge pages, where the kernel has them.
inline void expect_large(char* at, std::size_t size) noexcept {
  if (size < huge_page_bytes)
    return;
  constexpr std::uintptr_t page = 4096;
  auto begin = (reinterpret_cast<std::uintptr_t>(at) + page - 1) / page * page;
  auto end = (reinterpret_cast<std::uintptr_t>(at) + size) / page * page;
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

/// Makes room at the end of `out` for content of a known size, and for a few fields after it:
/// appended to a full string they would double it, and copy all of it.
inline void make_room(std::string& out, std::size_t content) {
  constexpr std::size_t worth_it = 4096;
  constexpr std::size_t around = 256;
  if (content < worth_it || out.capacity() - out.size() >= content + around)
    return;
  out.reserve(out.size() + content + around);
  expect_large(out.data() + out.size(), content);
}

/// Memory for bytes that are about to be read from somewhere: never cleared, and where it is large,
/// mapped for itself, in huge pages where the kernel has them. A page costs a fault when it is
/// first written to, which for megabytes is more than copying them; one that is never written costs
/// nothing, so that large memory may be asked for before its content has arrived.
class raw_memory {
public:
  static constexpr std::size_t mapped_from = huge_page_bytes;

  raw_memory() noexcept = default;
  explicit raw_memory(std::size_t size) {
    if (size < mapped_from) {
      data_ = static_cast<char*>(std::malloc(size));
      if (data_ == nullptr && size != 0)
        throw std::bad_alloc{};
    } else {
      size = (size + mapped_from - 1) / mapped_from * mapped_from;
      auto* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (at == MAP_FAILED)
        throw std::bad_alloc{};
      data_ = static_cast<char*>(at);
      expect_large(data_, size);
    }
    size_ = size;
  }
  raw_memory(raw_memory&& other) noexcept
      : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
  raw_memory& operator=(raw_memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~raw_memory() {
    if (size_ < mapped_from)
      std::free(data_);
    else
      ::munmap(data_, size_);
  }

  [[nodiscard]] char* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  void reset() noexcept { raw_memory{}.swap(*this); }
  void swap(raw_memory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace vivarium::bridge
