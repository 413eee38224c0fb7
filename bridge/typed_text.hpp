// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace vivarium::bridge {

// Encoded messages of vivarium.v1 that have been validated, as Python writes what they stand for.

/// `repr` of a complex.
void append_complex_repr(std::string& out, std::string_view message);
/// `isoformat()` of a date, a time, a datetime.
void append_date_text(std::string& out, std::string_view message);
void append_time_text(std::string& out, std::string_view message);
void append_datetime_text(std::string& out, std::string_view message);
/// `str` of a timedelta.
void append_timedelta_text(std::string& out, std::string_view message);
/// `str` of a UUID, of its 16 bytes.
void append_uuid_text(std::string& out, std::string_view bytes);

/// `repr` of a date, a time, a datetime, a timedelta.
void append_date_repr(std::string& out, std::string_view message);
void append_time_repr(std::string& out, std::string_view message);
void append_datetime_repr(std::string& out, std::string_view message);
void append_timedelta_repr(std::string& out, std::string_view message);

} // namespace vivarium::bridge
