#include "workers/gdpr/config.hpp"

#include <cstddef>
#include <stdexcept>

namespace omnibus::gdpr {

void check_settings(GdprSettings const& settings) {
  constexpr std::size_t shortest = 16;
  if (settings.profile_key_secret.reveal().size() < shortest)
    throw std::invalid_argument{"set PROFILE_KEY_SECRET, at least 16 bytes, to that of the gateway"};
  auto const& previous = settings.profile_key_secret_previous.reveal();
  if (!previous.empty() && previous.size() < shortest)
    throw std::invalid_argument{"PROFILE_KEY_SECRET_PREVIOUS must have at least 16 bytes, or be empty"};
}

privacy::KeySecrets key_secrets(GdprSettings const& settings) {
  privacy::KeySecrets secrets{settings.profile_key_secret.reveal()};
  if (auto const& previous = settings.profile_key_secret_previous.reveal(); !previous.empty())
    secrets.push_back(previous);
  return secrets;
}

}  // namespace omnibus::gdpr
