extension Double {
  /// `0.042`, `1.23`, `12.3`, `123`: about three digits.
  public var brief: String { decimals(self < 1 ? 3 : self < 10 ? 2 : self < 100 ? 1 : 0) }

  /// A fixed number of digits after the point; "nan" and "inf" as Python writes them.
  public func decimals(_ digits: Int) -> String {
    guard isFinite, abs(self) < 1e12 else { return isNaN ? "nan" : self < 0 ? "-inf" : "inf" }
    let scale = (0..<digits).reduce(1) { product, _ in product * 10 }
    let (whole, fraction) = Int((magnitude * Double(scale)).rounded()).quotientAndRemainder(dividingBy: scale)
    let text = String(fraction)
    let sign = self < 0 && (whole > 0 || fraction > 0) ? "-" : ""
    return digits == 0
      ? "\(sign)\(whole)" : "\(sign)\(whole).\(String(repeating: "0", count: digits - text.count))\(text)"
  }
}
