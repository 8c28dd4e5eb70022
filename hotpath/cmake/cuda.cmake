# The CUDA backend: DVREN_CUDA=AUTO builds it where nvcc is found, ON demands it, OFF leaves it out.
set(HP_HAVE_CUDA OFF)
if(NOT DVREN_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    # Real code for Turing, Ampere, Hopper; PTX for what comes after.
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 90-real 90-virtual)
    enable_language(CUDA)
    # CMake 3.25 does not know C++20 in CUDA.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_EXTENSIONS OFF)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    set(HP_HAVE_CUDA ON)
  elseif(DVREN_CUDA STREQUAL "ON")
    message(FATAL_ERROR "DVREN_CUDA=ON: no CUDA compiler; put nvcc on PATH, set CUDACXX, or set DVREN_CUDA=OFF")
  endif()
endif()

if(HP_HAVE_CUDA)
  hp_add_backend(cuda HP_DEVICE_CUDA)
  find_package(CUDAToolkit REQUIRED)
  list(APPEND HP_BACKEND_SOURCES backends/cuda/cuda_backend.cpp backends/cuda/ray.cu backends/cuda/fused.cu)
  # The bits of the CPU: no contraction but our own fma, IEEE division and square root, denormals kept.
  set_source_files_properties(backends/cuda/ray.cu backends/cuda/fused.cu PROPERTIES
    COMPILE_OPTIONS "-fmad=false;-ftz=false;-prec-div=true;-prec-sqrt=true")
endif()
set(DVREN_HAVE_CUDA ${HP_HAVE_CUDA} CACHE INTERNAL "The CUDA backend is part of this build")
