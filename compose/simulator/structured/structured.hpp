/// Structured answers of the simulated model: JSON that fits a schema, plausible, and the same for the same question.
/// Pure.
#pragma once

#include "compose/simulator/question.hpp"

#include <cstdint>
#include <string>

#include <boost/json/value.hpp>

namespace omnibus::simulator {

/// A value that fits a schema (see `fits` for the subset), with texts and words of the question. A schema that cannot
/// be met, or only by a value without end, gets a value that does not fit.
boost::json::value structured_value(boost::json::value const& schema, std::string_view question, std::uint64_t seed);

/// The answer in the form that the question asks for, as JSON text. The form must not be Form::text.
std::string structured_answer(Question const& question, std::uint64_t seed);
/// JSON text that does not fit the question's schema, or is no object when the question has none. A schema that
/// everything fits gets what fits.
std::string misfitting_answer(Question const& question, std::uint64_t seed);
/// An answer that is not JSON: the structured one, introduced in words and cut in the middle.
std::string unstructured_answer(Question const& question, std::uint64_t seed);

}  // namespace omnibus::simulator
