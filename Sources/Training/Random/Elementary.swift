#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// The C library's functions under names that do not collide with methods.
func squareRoot(_ x: Double) -> Double { x.squareRoot() }
func logarithm(_ x: Double) -> Double { log(x) }
func exponential(_ x: Double) -> Double { exp(x) }
func cosine(_ x: Double) -> Double { cos(x) }
func sine(_ x: Double) -> Double { sin(x) }
func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }
func complementaryError(_ x: Double) -> Double { erfc(x) }
