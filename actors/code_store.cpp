// SPDX-License-Identifier: Apache-2.0
#include "actors/code_store.hpp"

#include <array>

#include <openssl/sha.h>

namespace vivarium {

namespace {

std::string handle_of(const code_store::code& what) {
  // Lengths between the parts, so that no two different triples hash the same bytes.
  auto text = std::to_string(what.first_line) + ':' + std::to_string(what.filename.size()) + ':'
              + what.filename + what.source;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  static constexpr char hex[] = "0123456789abcdef";
  std::string out = "cod_";
  for (unsigned char byte : digest) {
    out += hex[byte >> 4];
    out += hex[byte & 15];
  }
  return out;
}

} // namespace

std::string code_store::put(code what) {
  auto handle = handle_of(what);
  if (find(handle) != nullptr)
    return handle;
  bytes_ += what.source.size() + what.filename.size();
  recent_.push_front(entry{handle, std::move(what)});
  by_handle_[handle] = recent_.begin();
  while (recent_.size() > 1 && (recent_.size() > max_entries || bytes_ > max_bytes)) {
    const auto& oldest = recent_.back();
    bytes_ -= oldest.content.source.size() + oldest.content.filename.size();
    by_handle_.erase(oldest.handle);
    recent_.pop_back();
  }
  return handle;
}

const code_store::code* code_store::find(const std::string& handle) {
  auto it = by_handle_.find(handle);
  if (it == by_handle_.end())
    return nullptr;
  recent_.splice(recent_.begin(), recent_, it->second);
  return &it->second->content;
}

} // namespace vivarium
