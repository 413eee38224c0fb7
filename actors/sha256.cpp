// SPDX-License-Identifier: Apache-2.0
#include "actors/sha256.hpp"

#include <new>

#include <openssl/evp.h>

namespace vivarium {

void sha256::release::operator()(void* context) const noexcept {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

sha256::sha256() : context_{EVP_MD_CTX_new()} {
  if (!context_
      || EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_.get()), EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc{};
}

void sha256::add(std::string_view bytes) {
  (void)EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), bytes.size());
}

std::string sha256::finish() {
  std::string out(sha256_bytes, '\0');
  (void)EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()),
                           reinterpret_cast<unsigned char*>(out.data()), nullptr);
  return out;
}

} // namespace vivarium
