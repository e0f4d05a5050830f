"""What a federation is to be compared with: nobody trains, everyone trains alone, or somebody has all the pairs."""
