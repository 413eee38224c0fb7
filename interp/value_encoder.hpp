// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/validate.hpp"
#include "interp/encode_typed.hpp"
#include "interp/encode_value.hpp"
#include "interp/value_fields.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium::interp {

// Counted in nested messages, of which an entry of a dict costs one more than an item of a list;
// leaves that are messages may go beyond.
inline constexpr int container_depth_at_most = 2 * bridge::max_value_depth + 4;
inline constexpr std::size_t containers_at_most = container_depth_at_most / 2 + 2;
inline constexpr std::size_t custom_at_most = 40; // Encoders within what encoders return.

/// One object on its way into a buffer, see encode_value.hpp. encode_containers.cpp has what
/// recurses.
class value_encoder {
public:
  value_encoder(std::string& out, const encode_options& options)
      : out_{out}, start_{out.size()}, max_bytes_{options.max_bytes}, options_{options} {}

  encoded append(PyObject* object, int depth);
  // After a failure: raises the error of a leaf that has no form, told by the way to it.
  void raise_problem() const;
  [[nodiscard]] bool has_problem() const noexcept { return problem_ != problem::none; }

private:
  enum class problem { none, has_no_form, contains_itself };

  encoded append_int(PyObject* object);
  encoded append_big_int(PyObject* object);
  encoded append_str(PyObject* object);
  encoded append_list(PyObject* object, int depth);
  encoded append_tuple(PyObject* object, int depth);
  encoded append_set(PyObject* object, int depth, PyTypeObject* base, value_field field);
  encoded append_dict(PyObject* object, int depth);
  encoded append_entry(PyObject* key, PyObject* value, int depth);
  encoded append_nested(std::uint32_t field, PyObject* object, int depth);
  encoded append_as_base(PyObject* object, int depth);
  encoded append_rare(PyObject* object, int depth);
  encoded append_blob(PyObject* object);
  encoded append_bytearray(PyObject* object);
  encoded append_symbol(PyObject* object, PyObject* name);
  encoded append_custom(PyObject* object, int depth);
  encoded append_without_form(PyObject* object, problem why);
  encoded append_raw(std::uint32_t field, std::string_view bytes);
  encoded settle(typed_encoding&& typed, PyObject* object, int depth);
  encoded enter(PyObject* container, int depth);
  encoded leave(encoded how);
  bool contains_itself(PyObject* container) const;
  void add_place(std::string_view place);
  void add_key(PyObject* key);

  std::string& out_;
  std::size_t start_;
  std::size_t max_bytes_;
  std::size_t parts_left_ = bridge::decode_bounds{}.max_items - 16;
  const encode_options& options_;
  std::array<PyObject*, containers_at_most> around_; // The containers that are being encoded.
  std::size_t around_count_ = 0;
  std::vector<PyObject*> custom_; // Objects whose encoder has been called.
  problem problem_ = problem::none;
  std::string problem_type_, problem_place_;
};

} // namespace vivarium::interp
