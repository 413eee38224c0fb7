// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "interp/encode_value.hpp"
#include "interp/py_ref.hpp"

#include <cstddef>
#include <string>

namespace vivarium::interp {

/// What became of an object of the standard library's types or numpy's.
struct typed_encoding {
  encoded how = encoded::ok; ///< Of one that has a form.
  bool has_form = true;
  py_ref instead;        ///< What is to be encoded in its place.
  std::size_t parts = 0; ///< Nested messages that were appended, and what counts as such.
};

/// Appends the body of a Value for a datetime, date, time, timedelta, Decimal, UUID, numpy array or
/// scalar, whose types are only looked for where their modules are: sys.modules.
typed_encoding append_typed(std::string& out, PyObject* object, std::size_t max_bytes);

/// Appends a complex, a term, the bytes of a memoryview.
typed_encoding append_complex(std::string& out, PyObject* object);
typed_encoding append_term(std::string& out, PyObject* object);
typed_encoding append_memoryview(std::string& out, PyObject* object, std::size_t max_bytes);

/// Appends `opaque`, respectively a ref that `refs` keeps for `owner`.
encoded append_opaque(std::string& out, PyObject* object);
encoded append_ref(std::string& out, PyObject* object, ref_table& refs, std::uint64_t owner);

} // namespace vivarium::interp
