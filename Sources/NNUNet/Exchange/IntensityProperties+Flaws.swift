import Imaging

extension IntensityProperties {
  /// What makes them useless for a normalisation, as a sentence; nil when nothing does.
  public var flaw: String? {
    guard standardDeviation > 0 else { return "the standard deviation is \(standardDeviation); it must be above 0" }
    guard lowPercentile < highPercentile else {
      return "the lower bound of intensities is \(lowPercentile), which is not below the upper one, \(highPercentile)"
    }
    return nil
  }
}
