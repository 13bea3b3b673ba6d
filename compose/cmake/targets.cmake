# The sources of this folder and those below it, but main.cpp.
function(omnibus_sources result)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp)
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

# omnibus_library(NAME [GENERATED file...] DEPENDS target...): the library omnibus_NAME of a folder, with all its sources.
function(omnibus_library name)
  cmake_parse_arguments(arg "" "" "GENERATED;DEPENDS" ${ARGN})
  omnibus_sources(sources)
  if(sources)
    add_library(omnibus_${name} STATIC ${sources} ${arg_GENERATED})
    target_link_libraries(omnibus_${name} PUBLIC omnibus_options ${arg_DEPENDS})
  else()
    add_library(omnibus_${name} INTERFACE)
    target_link_libraries(omnibus_${name} INTERFACE omnibus_options ${arg_DEPENDS})
  endif()
endfunction()

# omnibus_worker(NAME DEPENDS target...): the binary omnibus-NAME, in bin/ of the build folder; all of it but main.cpp is
# the library omnibus_worker_NAME, which knows nothing of the engine and is what tests link.
function(omnibus_worker name)
  omnibus_library(worker_${name} ${ARGN})
  omnibus_binary(omnibus-${name} omnibus_worker_${name} omnibus_engine)
endfunction()

# omnibus_binary(NAME LIBRARY...): main.cpp of this folder, linked with these libraries, in bin/ of the build folder.
function(omnibus_binary name)
  add_executable(${name} main.cpp)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  target_link_libraries(${name} PRIVATE ${ARGN})
endfunction()

# omnibus_tests(NAME DEPENDS target...): the tests of this folder and those below it. A file's suffix says what its tests need:
# _test nothing, _pgtest PostgreSQL, _kafkatest a broker. Each suffix is one binary and one ctest label.
function(omnibus_tests name)
  cmake_parse_arguments(arg "" "" "DEPENDS" ${ARGN})
  foreach(kind test pgtest kafkatest)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_${kind}.cpp)
    if(sources)
      add_executable(${name}_${kind} ${sources})
      set_target_properties(${name}_${kind} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests UNITY_BUILD OFF)
      target_link_libraries(${name}_${kind} PRIVATE omnibus_options omnibus_doctest_main ${arg_DEPENDS})
      add_test(NAME ${name}_${kind} COMMAND ${name}_${kind})
      set_tests_properties(${name}_${kind} PROPERTIES LABELS ${kind})
    endif()
  endforeach()
endfunction()
