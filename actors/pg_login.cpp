// SPDX-License-Identifier: Apache-2.0
#include "actors/pg_login.hpp"

#include <array>
#include <charconv>
#include <optional>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace vivarium::pg {

namespace {

using digest = std::array<unsigned char, 32>;

const unsigned char* raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string_view text_of(const digest& of) {
  return {reinterpret_cast<const char*>(of.data()), of.size()};
}

digest hmac(std::string_view key, std::string_view text) {
  digest out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(text), text.size(), out.data(),
       &size);
  return out;
}

digest sha256(std::string_view text) {
  digest out{};
  EVP_Digest(text.data(), text.size(), out.data(), nullptr, EVP_sha256(), nullptr);
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), raw(bytes),
                  static_cast<int>(bytes.size()));
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0)
    return std::nullopt;
  std::string out(text.size() / 4 * 3, '\0');
  if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), raw(text),
                      static_cast<int>(text.size()))
      < 0)
    return std::nullopt;
  out.erase(out.size() - (text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0));
  return out;
}

std::string md5_hex(std::string_view text) {
  std::array<unsigned char, 16> sum{};
  EVP_Digest(text.data(), text.size(), sum.data(), nullptr, EVP_md5(), nullptr);
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (auto byte : sum) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

/// The value of an attribute that a message has at its front, without the comma behind it.
std::optional<std::string_view> take_attribute(std::string_view& message, char name) {
  if (message.size() < 2 || message[0] != name || message[1] != '=')
    return std::nullopt;
  auto end = message.find(',');
  auto out = message.substr(2, end == std::string_view::npos ? end : end - 2);
  message.remove_prefix(end == std::string_view::npos ? message.size() : end + 1);
  return out;
}

} // namespace

std::string md5_answer(std::string_view user, std::string_view password, std::string_view salt) {
  auto inner = md5_hex(std::string{password} + std::string{user});
  return "md5" + md5_hex(inner + std::string{salt});
}

std::string scram::first() const {
  return "n,,n=,r=" + nonce_;
}

status scram::take_first(std::string_view message) {
  error wrong{errc::malformed, "the server's SCRAM message is none"};
  if (message.size() > 4'096)
    return wrong;
  server_first_ = message;
  auto nonce = take_attribute(message, 'r');
  auto salt = take_attribute(message, 's');
  auto count = take_attribute(message, 'i');
  auto plain = salt ? from_base64(*salt) : std::nullopt;
  if (!nonce || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size() || !plain || !count)
    return wrong;
  auto read = std::from_chars(count->data(), count->data() + count->size(), iterations_);
  if (read.ec != std::errc{} || iterations_ == 0)
    return wrong;
  if (iterations_ > most_iterations)
    return error{errc::malformed, "the server asks for more rounds of SCRAM than "
                                      + std::to_string(most_iterations)};
  whole_nonce_ = *nonce;
  salt_ = *std::move(plain);
  return done{};
}

std::string scram::final(std::string_view password) {
  digest salted{};
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), raw(salt_),
                    static_cast<int>(salt_.size()), static_cast<int>(iterations_), EVP_sha256(),
                    static_cast<int>(salted.size()), salted.data());
  auto client_key = hmac(text_of(salted), "Client Key");
  auto without_proof = "c=biws,r=" + whole_nonce_;
  auto all = "n=,r=" + nonce_ + "," + server_first_ + "," + without_proof;
  auto signature = hmac(text_of(sha256(text_of(client_key))), all);
  auto proof = client_key;
  for (std::size_t i = 0; i < proof.size(); ++i)
    proof[i] = static_cast<unsigned char>(proof[i] ^ signature[i]);
  server_signature_ = base64(text_of(hmac(text_of(hmac(text_of(salted), "Server Key")), all)));
  return without_proof + ",p=" + base64(text_of(proof));
}

bool scram::check_final(std::string_view message) const {
  auto proof = take_attribute(message, 'v');
  return proof && !server_signature_.empty() && *proof == server_signature_;
}

std::string make_nonce() {
  std::array<unsigned char, 18> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  return base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

} // namespace vivarium::pg
