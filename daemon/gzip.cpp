// SPDX-License-Identifier: Apache-2.0
#include "daemon/gzip.hpp"

#include <algorithm>
#include <new>

#include <zlib.h>

namespace vivarium {

namespace {

constexpr int gzip_window = 15 + 16; // 16: the gzip wrapper, neither zlib's nor raw

Bytef* input_of(std::string_view bytes) noexcept {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); // zlib only reads it
}

class inflater {
public:
  inflater() {
    if (inflateInit2(&stream_, gzip_window) != Z_OK)
      throw std::bad_alloc{};
  }
  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;
  ~inflater() { inflateEnd(&stream_); }
  z_stream& operator*() noexcept { return stream_; }
  z_stream* operator->() noexcept { return &stream_; }

private:
  z_stream stream_{};
};

} // namespace

result<std::string> gunzip(std::string_view bytes, std::size_t limit) {
  inflater stream;
  stream->next_in = input_of(bytes);
  stream->avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::size_t have = 0;
  for (;;) {
    if (have == out.size()) {
      if (have > limit)
        return error{errc::too_large,
                     "the uncompressed message is larger than " + std::to_string(limit) + " bytes"};
      // One byte over the limit may exist: it is how an excess is noticed.
      out.resize(std::min(std::max<std::size_t>(have * 2, 4096), limit + 1));
    }
    stream->next_out = reinterpret_cast<Bytef*>(out.data() + have);
    stream->avail_out = static_cast<uInt>(out.size() - have);
    int rc = inflate(&*stream, Z_NO_FLUSH);
    have = out.size() - stream->avail_out;
    if (rc == Z_STREAM_END && stream->avail_in == 0)
      break;
    if (rc == Z_STREAM_END)
      rc = inflateReset(&*stream);
    if (rc != Z_OK && !(rc == Z_BUF_ERROR && have == out.size()))
      return error{errc::invalid_argument, "the message is not valid gzip"};
  }
  if (have > limit)
    return error{errc::too_large,
                 "the uncompressed message is larger than " + std::to_string(limit) + " bytes"};
  out.erase(have);
  return out;
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc{};
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = input_of(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.erase(stream.total_out);
  deflateEnd(&stream);
  return out;
}

} // namespace vivarium
