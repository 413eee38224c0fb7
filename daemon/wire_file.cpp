// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_file.hpp"

#include "actors/sha256.hpp"
#include "bridge/natural.hpp"
#include "bridge/validate.hpp"
#include "daemon/base64.hpp"
#include "daemon/wire_fields.hpp"

#include <algorithm>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

constexpr std::uint32_t most_mode = 07777;

result<std::string> finish(codec as, message type, std::string binary) {
  return as == codec::json ? to_json(type, binary) : result<std::string>{std::move(binary)};
}

std::string text_of(std::string_view path) {
  if (bridge::is_utf8(path))
    return std::string{path};
  std::string out;
  bridge::append_utf8_lossy(out, path);
  return out;
}

std::string encode_info(const sandbox::file_info& what) {
  std::string out;
  append_text(out, 1, text_of(what.path));
  append_number(out, 2, static_cast<std::uint64_t>(what.type));
  append_number(out, 3, what.size);
  append_number(out, 4, what.mode);
  append_number(out, 5, static_cast<std::uint64_t>(std::max<std::int64_t>(what.modified_ns, 0)));
  append_text(out, 6, text_of(what.target));
  if (!bridge::is_utf8(what.path))
    append_text(out, 7, what.path);
  return out;
}

std::string encode_info(const volume_info& what) {
  std::string out;
  append_text(out, 1, what.name);
  append_number(out, 2, what.bytes);
  append_number(out, 3, what.files);
  append_number(out, 4, what.max_bytes);
  append_number(out, 5, what.version);
  append_text(out, 6, what.source);
  return out;
}

status take_bytes(std::string& into, pbf_reader& r) {
  into.assign(view_of(r));
  return done{};
}

status take_bit(bool& into, pbf_reader& r) {
  into = r.get_uint64() != 0;
  return done{};
}

template <class T>
status take_number(T& into, pbf_reader& r) {
  into = static_cast<T>(r.get_uint64());
  return done{};
}

status take_mode(std::uint32_t& into, pbf_reader& r) {
  into = r.get_uint32();
  if (into > most_mode)
    return wrong("`mode` has more than permission bits");
  return done{};
}

status read_put(file_request& what, pbf_reader& r) {
  switch (field_of(r)) {
    case text_field(3): return take_bytes(what.content, r);
    case text_field(4): return take_bytes(what.sha256, r);
    case number_field(5): return take_mode(what.mode, r);
    case number_field(6): return take_bit(what.exclusive, r);
    default: return skip(r);
  }
}

status read_list(file_request& what, pbf_reader& r) {
  switch (field_of(r)) {
    case number_field(3): return take_bit(what.recursive, r);
    case number_field(4): return take_number(what.page_size, r);
    case text_field(5): return take_bytes(what.page_token, r);
    default: return skip(r);
  }
}

status read_move(file_request& what, pbf_reader& r) {
  switch (field_of(r)) {
    case text_field(3): return take_text(what.to, r, "to");
    case number_field(4): return take_bit(what.replace, r);
    default: return skip(r);
  }
}

status read_read(file_request& what, pbf_reader& r) {
  switch (field_of(r)) {
    case number_field(3): return take_number(what.offset, r);
    case number_field(4): return take_number(what.length, r);
    case number_field(5): what.checksum = r.get_uint64() == 0; return done{};
    default: return skip(r);
  }
}

status read_write(file_request& what, pbf_reader& r) {
  switch (field_of(r)) {
    case text_field(2): return take_text(what.upload, r, "upload");
    case number_field(3): return take_number(what.offset, r);
    case text_field(4): return take_bytes(what.content, r);
    case number_field(5): return take_bit(what.commit, r);
    case text_field(6): return take_text(what.path, r, "path");
    case text_field(7): return take_bytes(what.sha256, r);
    case number_field(8): return take_mode(what.mode, r);
    case number_field(9): return take_bit(what.exclusive, r);
    case number_field(10): return take_bit(what.discard, r);
    default: return skip(r);
  }
}

status read_field(message type, file_request& what, pbf_reader& r) {
  if (field_of(r) == text_field(1))
    return take_text(what.session, r, "session");
  if (type == message::write_file_request)
    return read_write(what, r);
  if (field_of(r) == text_field(2))
    return take_text(what.path, r, type == message::move_file_request ? "from" : "path");
  switch (type) {
    case message::put_file_request: return read_put(what, r);
    case message::list_files_request: return read_list(what, r);
    case message::move_file_request: return read_move(what, r);
    case message::read_file_request: return read_read(what, r);
    case message::remove_file_request:
      return field_of(r) == number_field(3) ? take_bit(what.recursive, r) : skip(r);
    default: return skip(r);
  }
}

} // namespace

result<file_request> decode_file(message type, codec as, std::string_view bytes) {
  file_request what;
  binary_form form{type, as, bytes};
  auto ok = form.read([&](pbf_reader& r) { return read_field(type, what, r); });
  if (!ok)
    return std::move(ok).why();
  if (what.session.empty())
    return wrong("`session` is required");
  if (!what.sha256.empty() && what.sha256.size() != sha256_bytes)
    return wrong("`sha256` has 32 bytes, or none");
  if (what.page_size > most_page)
    return wrong("`page_size` is at most 10,000");
  if (what.commit && what.discard)
    return wrong("`commit` and `discard` exclude each other");
  if (what.commit && what.path.empty())
    return wrong("`commit` needs the `path`");
  return what;
}

result<volume_request> decode_volume(message type, codec as, std::string_view bytes) {
  volume_request what;
  binary_form form{type, as, bytes};
  bool commit = type == message::commit_volume_request;
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1):
        return commit ? take_text(what.session, r, "session") : take_text(what.volume, r, "name");
      case text_field(2): return commit ? take_text(what.volume, r, "volume") : skip(r);
      case number_field(2): return take_number(what.max_bytes, r);
      case number_field(3): return take_bit(what.force, r);
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (what.volume.empty() || (commit && what.session.empty()))
    return wrong(commit ? "`session` and `volume` are required"
                        : "the name of the volume is required");
  return what;
}

status take_file(std::vector<std::pair<std::string, std::string>>& into, pbf_reader& reader) {
  std::string path;
  std::string content;
  auto ok = read_fields(view_of(reader), [&](pbf_reader& e) -> status {
    switch (field_of(e)) {
      case text_field(1): return take_text(path, e, "files");
      case text_field(2): return take_bytes(content, e);
      default: return skip(e);
    }
  });
  if (!ok)
    return ok;
  auto same =
      std::find_if(into.begin(), into.end(), [&](const auto& f) { return f.first == path; });
  if (same != into.end())
    same->second = std::move(content);
  else if (into.size() == most_given_files)
    return wrong("more than " + std::to_string(most_given_files) + " `files`");
  else
    into.emplace_back(std::move(path), std::move(content));
  return done{};
}

status take_mount(std::vector<volume_mount>& into, pbf_reader& reader) {
  if (into.size() == most_mounts)
    return wrong("more than " + std::to_string(most_mounts) + " `volumes`");
  auto& made = into.emplace_back();
  std::int32_t access = 0;
  auto ok = read_fields(view_of(reader), [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(made.volume, r, "volumes.volume");
      case text_field(2): return take_text(made.path, r, "volumes.path");
      case number_field(3): access = r.get_enum(); return done{};
      default: return skip(r);
    }
  });
  made.write = access == 2;
  if (!ok)
    return ok;
  if (std::any_of(into.begin(), into.end() - 1,
                  [&](const volume_mount& one) { return one.volume == made.volume; }))
    return wrong("the volume '" + made.volume + "' is wanted twice");
  return check_enum(access, 2, "volumes.access");
}

void append_mount(std::string& out, std::uint32_t field, const volume_mount& what) {
  std::string inner;
  append_text(inner, 1, what.volume);
  append_text(inner, 2, what.path);
  append_number(inner, 3, what.write ? 2 : 1);
  append_bytes(out, field, inner);
}

result<std::string> encode_file_info(message type, codec as, const sandbox::file_info& what) {
  std::string out;
  append_bytes(out, 1, encode_info(what));
  return finish(as, type, std::move(out));
}

result<std::string> encode_whole_file(codec as, const whole_file& what) {
  std::string out;
  out.reserve(what.content.size() + 1'024);
  append_text(out, 1, what.content);
  append_bytes(out, 2, what.sha256);
  append_bytes(out, 3, encode_info(what.info));
  return finish(as, message::get_file_response, std::move(out));
}

result<std::string> encode_put(codec as, const put_outcome& what) {
  std::string out;
  append_bytes(out, 1, encode_info(what.info));
  append_bytes(out, 2, what.sha256);
  return finish(as, message::put_file_response, std::move(out));
}

result<std::string> encode_file_list(codec as, const sandbox::file_list& what) {
  std::string out;
  for (const auto& one : what.entries)
    append_bytes(out, 1, encode_info(one));
  // A path, which need not be text, so that it is wrapped.
  if (what.more) {
    std::string token;
    append_base64(token, what.entries.back().path);
    append_text(out, 2, token);
  }
  append_number(out, 3, what.unread);
  return finish(as, message::list_files_response, std::move(out));
}

result<std::string> encode_removed(codec as, std::uint64_t count) {
  std::string out;
  append_number(out, 1, count);
  return finish(as, message::remove_file_response, std::move(out));
}

result<std::string> encode_file_begin(codec as, const sandbox::file_info& what) {
  std::string out;
  append_bytes(out, 2, encode_info(what));
  return finish(as, message::read_file_response, std::move(out));
}

result<std::string> encode_file_piece(codec as, std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 16);
  append_bytes(out, 1, bytes);
  return finish(as, message::read_file_response, std::move(out));
}

result<std::string> encode_file_end(codec as, std::string_view sha256, std::uint64_t size) {
  std::string out;
  append_text(out, 3, sha256);
  append_number(out, 4, size);
  return finish(as, message::read_file_response, std::move(out));
}

result<std::string> encode_upload(codec as, std::string_view upload, std::uint64_t size) {
  std::string out;
  append_text(out, 1, upload);
  append_number(out, 2, size);
  return finish(as, message::write_file_response, std::move(out));
}

result<std::string> encode_upload_end(codec as, const put_outcome& what) {
  std::string out;
  append_number(out, 2, what.info.size);
  append_bytes(out, 3, encode_info(what.info));
  append_bytes(out, 4, what.sha256);
  return finish(as, message::write_file_response, std::move(out));
}

result<std::string> encode_volume(message type, codec as, const volume_info& what) {
  std::string out;
  append_bytes(out, 1, encode_info(what));
  return finish(as, type, std::move(out));
}

result<std::string> encode_volumes(codec as, const std::vector<volume_info>& all) {
  std::string out;
  for (const auto& one : all)
    append_bytes(out, 1, encode_info(one));
  return finish(as, message::list_volumes_response, std::move(out));
}

std::string encode_changes(const file_report& what) {
  std::string out;
  for (const auto& path : what.added)
    append_bytes(out, 1, text_of(path));
  for (const auto& path : what.modified)
    append_bytes(out, 2, text_of(path));
  for (const auto& path : what.deleted)
    append_bytes(out, 3, text_of(path));
  append_number(out, 4, what.truncated ? 1 : 0);
  append_number(out, 5, static_cast<std::uint64_t>(what.outcome));
  append_text(out, 6, text_of(what.problem));
  return out;
}

} // namespace vivarium::wire
