# omnibus_library(NAME SOURCES file... DEPENDS target...): the library omnibus_NAME of one folder of common/.
function(omnibus_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  if(arg_SOURCES)
    add_library(omnibus_${name} STATIC ${arg_SOURCES})
    target_link_libraries(omnibus_${name} PUBLIC omnibus_options ${arg_DEPENDS})
  else()
    add_library(omnibus_${name} INTERFACE)
    target_link_libraries(omnibus_${name} INTERFACE omnibus_options ${arg_DEPENDS})
  endif()
endfunction()

# omnibus_worker(NAME SOURCES file... DEPENDS target...): the binary omnibus-NAME, in bin/ of the build folder; all of it
# but main.cpp is the library omnibus_worker_NAME, so that tests can link it.
function(omnibus_worker name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(omnibus-${name} main.cpp)
  set_target_properties(omnibus-${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  add_library(omnibus_worker_${name} STATIC ${arg_SOURCES})
  target_link_libraries(omnibus_worker_${name} PUBLIC omnibus_options ${arg_DEPENDS})
  target_link_libraries(omnibus-${name} PRIVATE omnibus_worker_${name})
endfunction()

# omnibus_tests(NAME DEPENDS target...): the tests of one folder. A file's suffix says what its tests need:
# _test nothing, _pgtest PostgreSQL, _kafkatest a broker. Each suffix is one binary and one ctest label.
function(omnibus_tests name)
  cmake_parse_arguments(arg "" "" "DEPENDS" ${ARGN})
  foreach(kind test pgtest kafkatest)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_${kind}.cpp)
    if(sources)
      add_executable(${name}_${kind} ${sources} ${CMAKE_SOURCE_DIR}/tests/doctest_main.cpp)
      set_target_properties(${name}_${kind} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
      target_link_libraries(${name}_${kind} PRIVATE omnibus_options doctest::doctest ${arg_DEPENDS})
      add_test(NAME ${name}_${kind} COMMAND ${name}_${kind})
      set_tests_properties(${name}_${kind} PROPERTIES LABELS ${kind})
    endif()
  endforeach()
endfunction()
