#include "workers/outcome/prompt.hpp"

#include "json/encode.hpp"

#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::outcome {
namespace {

struct JudgedTurn {
  std::int64_t turn = 0;
  std::string speaker;
  std::string message;
};
BOOST_DESCRIBE_STRUCT(JudgedTurn, (), (turn, speaker, message))

}  // namespace

std::vector<llm::Message> make_prompt(std::vector<SpokenTurn> const& turns) {
  std::vector<JudgedTurn> transcript;
  transcript.reserve(turns.size());
  for (auto const& turn : turns) transcript.push_back({turn.number, turn.speaker, turn.message});
  return {{"system", std::string{rubric()}}, {"user", "The transcript:\n" + json::encode(transcript)}};
}

}  // namespace omnibus::outcome
