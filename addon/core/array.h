// An array whose memory may be refused. No Node-API in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace sliding_mmap {

// For sizes that a caller chooses: the standard's containers would end the process, which has no exceptions.
template <typename T>
class Array {
 public:
  Array() = default;
  Array(Array&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Array& operator=(Array&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  // `size` new elements, all zeros. False, and empty, where there is no memory.
  bool Allocate(size_t size) {
    data_.reset(size <= PTRDIFF_MAX / sizeof(T) ? new (std::nothrow) T[size]() : nullptr);
    size_ = data_ == nullptr ? 0 : size;
    return data_ != nullptr;
  }
  // A copy of `size` elements that are plain bytes.
  bool Copy(const T* from, size_t size) {
    if (!Allocate(size)) return false;
    if (size > 0) memcpy(data_.get(), from, size * sizeof(T));
    return true;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](size_t index) { return data_[index]; }
  const T& operator[](size_t index) const { return data_[index]; }
  T* begin() { return data_.get(); }
  T* end() { return data_.get() + size_; }
  const T* begin() const { return data_.get(); }
  const T* end() const { return data_.get() + size_; }

 private:
  std::unique_ptr<T[]> data_;
  size_t size_ = 0;
};

}  // namespace sliding_mmap
